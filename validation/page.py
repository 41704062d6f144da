"""Page: the HTML templates of the reports, in one style and without anything from another host."""

from importlib import resources
from string import Template


def template(name: str, package: str) -> Template:
    """The template `name`.html of a package, the reports' style filled in."""
    style = resources.files(__package__).joinpath("report.css").read_text("utf-8")
    page = resources.files(package).joinpath(f"{name}.html").read_text("utf-8")
    return Template(page.replace("$style", style))
