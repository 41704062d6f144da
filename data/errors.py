"""Data errors: one line that says where, which rule, what came and what to do."""


class DataError(ValueError):
    """Input that breaks a rule; the message is `WHERE: RULE, but got GOT: FIX`.

    Args:
        rule: what must hold, for example "timestamp must not be null".
        where: file, table or source in which it does not.
        got: what came instead, with a count and one offending example.
        fix: what the reader can do about it.
    """

    def __init__(self, rule: str, *, where: str, got: str, fix: str) -> None:
        self.rule, self.where, self.got, self.fix = rule, where, got, fix
        line = f"{where}: {rule}, but got {got}: {fix}"
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the copy that task runners make of an exception."""
        return (_rebuild, (self.rule, self.where, self.got, self.fix))


def _rebuild(rule: str, where: str, got: str, fix: str) -> DataError:
    return DataError(rule, where=where, got=got, fix=fix)
