"""Text from elsewhere, made fit for a terminal."""


def clean(text: str) -> str:
    """Return one line without control characters, which could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
