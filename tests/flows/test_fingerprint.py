"""What a module's fingerprint covers."""

import ast

from flows import fingerprint


def test_a_module_is_covered_with_all_that_it_imports():
    found = set(fingerprint._closure(["validation.evaluation.evaluate"]))
    assert {
        "validation.evaluation.evaluate",
        "validation.evaluation.metrics",
        "models.recommender",
        "data.interactions",
    } <= found
    assert not any(name.startswith(("flows", "numpy")) for name in found)
    assert "models.families" not in found  # a new family must not make the results of the others void


def test_words_do_not_count_and_code_does():
    def bare(text):
        return fingerprint._bare(ast.parse(text))

    one = bare('"""Says."""\ndef f(x):\n    """Adds."""\n    return x + 1  # one\n')
    assert one == bare("def f(x):\n    return (x\n      + 1)\n")
    assert one != bare("def f(x):\n    return x + 2\n")


def test_different_modules_differ():
    assert fingerprint.of_modules("data.split") != fingerprint.of_modules("data.interactions")
    assert fingerprint.of_modules("data.split") == fingerprint.of_modules("data.split")
