"""What may be said of an error in a log."""

from domain.errors import InvalidInputError, RateLimitedError, error_text


def test_our_own_words_may_be_said():
    assert error_text(InvalidInputError("side", "give BUY or SELL")) == "side: give BUY or SELL"
    assert RateLimitedError("too many", retry_after_s=2.0).retry_after_s == 2.0


def test_of_a_strangers_error_only_its_place_is_said():
    def fail():
        msg = "the token is 123456"
        raise KeyError(msg)

    try:
        fail()
    except KeyError as error:
        text = error_text(error)

    assert text.startswith("in fail, test_errors.py:")
    assert error_text(KeyError("the token is 123456")) == "no text is kept"
