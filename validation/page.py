"""Page: the HTML templates of the reports, in one style and without anything from another host."""

from importlib import resources
from string import Template


def template(name: str) -> Template:
    """The template `name`.html of this package, its style filled in."""
    files = resources.files(__package__)
    style = files.joinpath("report.css").read_text("utf-8")
    return Template(files.joinpath(f"{name}.html").read_text("utf-8").replace("$style", style))
