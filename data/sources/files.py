"""Files source: two Parquet, CSV or TSV files with a column mapping."""

from data.normalise import normalise
from data.sources.config import FilesConfig
from data.sources.table_files import read_table
from data.tables import Tables


def load(config: FilesConfig) -> Tables:
    """Both files, checked; of the interactions only the mapped columns are read.

    Keys and times of CSV are read as text, so `007` stays `007`.

    Raises:
        DataError: a file is missing, unreadable or of another kind, or breaks a rule (see `data.normalise`).
    """
    event_columns = list(config.columns.of_events().values())
    return normalise(
        read_table(config.interactions, only=event_columns),
        read_table(config.items, as_text=[config.columns.of_item_table]),
        config.columns,
        text_fields=config.text_fields,
        source=f"{config.interactions.name} and {config.items.name}",
        events_from=str(config.interactions),
        items_from=str(config.items),
    )
