"""Writes short texts, in place of a language model: it runs here, costs nothing, and is overloaded now and then."""

from random import Random
from zlib import crc32

# fmt: off
OPENINGS = ("Welcome", "Good to have you here", "Hello", "How nice that you came")
THOUGHTS = (
    "Few things reward patience as much as {topic}", "There is always a first day with {topic}",
    "We could talk about {topic} for hours", "Whoever begins with {topic} rarely stops",
    "Much has been said about {topic}, and not enough", "Nobody has ever regretted an hour spent on {topic}",
)
# fmt: on
OVERLOADED_EVERY = 3


class WriterOverloaded(Exception):
    """No text this time. Trying again helps."""


def write(prompt: str, *, variant: int = 0, attempt: int = 1) -> str:
    """Two sentences about a topic; the same ones for the same prompt and variant (0, 1 or 2).

    Raises ``WriterOverloaded`` at one of three consecutive attempts, which one depends on the prompt.
    """
    fingerprint = crc32(prompt.encode())
    if (fingerprint + attempt) % OVERLOADED_EVERY == 0:
        raise WriterOverloaded("The writer is overloaded. Try again.")
    thoughts = Random(fingerprint).sample(THOUGHTS, len(THOUGHTS))
    first, second = thoughts[2 * variant % len(thoughts)], thoughts[(2 * variant + 1) % len(thoughts)]
    return f"{first.format(topic=prompt)}. {second.format(topic=prompt)}."


def greet(name: str, topic: str, *, attempt: int = 1) -> str:
    """A greeting that mentions the topic, if there is one. Raises ``WriterOverloaded`` as ``write`` does."""
    opening = f"{OPENINGS[crc32(name.encode()) % len(OPENINGS)]}, {name}!"
    return f"{opening} {write(topic, attempt=attempt)}" if topic else opening
