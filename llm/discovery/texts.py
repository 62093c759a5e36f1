"""What of a conversation is grouped: its words without links, handles and courtesies."""

import re

from llm.offline.stop_words import STOP_WORDS
from llm.offline.text import WORD, clean

LONGEST = 600
"""Characters: the encoder pads the texts of a batch to the longest, and 12,000 characters in each would take 400 MB."""
SHORTEST = 20
"""Characters, as the prefilter has it."""

# Greetings, thanks and "please write to us". What is left of a text without them and without stop words is what it is
# about.
_COURTESY_WORDS = """
afternoon appreciated appreciation assistance awesome bye cheers congrats dear direct dm doing enjoy evening everybody
folks fyi glad good great guys happy heya hey hiya hope howdy kind kindly lot lots love lovely luck mate message
messages morning nice night patience perfect pleasure quick quickly reply responded responding response rock send sent
sir team thankful thankyou thx today tonight tonite ty tysm weekend wonderful yep yup alle alles bitte danke dank
einen euch es für fur ganz geht guten hallo herzlichen hilfe ich ihnen liebe lieben mal morgen nacht noch schön
schönen sehr servus tag viele vielen wie wir zusammen beaucoup bien bonjour bonne bonsoir cordialement comment journée
merci pour salut soirée tout tous svp adios amigos ayuda buen buenas buenos buongiorno ciao día dias días grazie
gracias hola mille molte muchas mucho noches por saludos salve saluti su tardes todos tutti avond bedankt dag
dankjewel fijne goede goedemiddag goedemorgen groeten hartelijk hoi voor bardzo bom boa boas cześć czesc dia dobry
dzień dzien dziękuję dziekuje noite muito obrigada obrigado olá ola pozdrawiam tarde witam
"""
COURTESIES = frozenset(_COURTESY_WORDS.split())
SPACE = re.compile(r"\s+")


def cleaned(text: str) -> str:
    """The text as it is grouped: without links, @mentions and entities, at most 600 characters."""
    return SPACE.sub(" ", clean(text[: 2 * LONGEST])).strip()[:LONGEST]


def content_words(text: str) -> list[str]:
    """The words of a cleaned text that say what it is about, in lower case and in order."""
    words = WORD.findall(text.lower())
    return [word for word in words if word not in STOP_WORDS and word not in COURTESIES]


def says_something(text: str) -> bool:
    """Whether a cleaned text can be grouped: 20 characters, and a word that is no courtesy.

    An empty text has a vector of NaN, which poisons every mean that it enters.
    """
    return len(text) >= SHORTEST and bool(content_words(text))
