"""How texts are marked for translation where nothing translates: what is here is pure."""


def gettext_noop(message: str) -> str:
    """Mark a message for extraction into the catalogues."""
    return message
