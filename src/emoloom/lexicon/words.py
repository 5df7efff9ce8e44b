"""Closed-class word lists of the lexicon reader. All forms are lower case with a straight apostrophe."""

from __future__ import annotations


def _words(listing: str) -> frozenset[str]:
    return frozenset(listing.split())


STOP_WORDS = _words("""
    a about above after again all although also am an and any are as at be because been before being below between
    both but by can could did do does doing down during each few for from further had has have having he her here hers
    herself him himself his how however i if in into is it its itself just let may me might more most must my myself
    of off on once one ones only or other ought our ours ourselves out over own same shall she should since so some
    such than that the their theirs them themselves then there these they this those though through to too under until
    up upon us was we were what when where whether which while who whom why will with would yet you your yours yourself
    yourselves mean
""")
"""Words that are never looked up alone. `mean` is here as a verb: its norm is that of the adjective."""

NEGATORS = _words("""
    not no never none nothing nobody nowhere neither nor cannot n't without
    dont doesnt didnt isnt wasnt arent werent cant couldnt wont wouldnt shouldnt havent hasnt hadnt aint
""")

INTENSIFIERS = _words("""
    very really so too most more quite extremely absolutely totally completely incredibly utterly highly deeply truly
    especially particularly
""")

FIRST_PERSON = _words("i me my mine myself")
FIRST_PERSON_PLURAL = _words("we us our ours ourselves")
SECOND_PERSON = _words("you your yours yourself yourselves")

PICTOGRAMS = {
    ":)": "smile",
    ":-)": "smile",
    "=)": "smile",
    ":D": "laugh",
    ":-D": "laugh",
    "=D": "laugh",
    "xD": "laugh",
    "XD": "laugh",
    ";)": "wink",
    ";-)": "wink",
    ":(": "sad",
    ":-(": "sad",
    "=(": "sad",
    ":'(": "cry",
    ":/": "doubt",
    ":-/": "doubt",
    "<3": "love",
    "❤": "love",
    "♥": "love",
    "💜": "love",
    "💕": "love",
    "💖": "love",
    "😍": "love",
    "😘": "kiss",
    "😂": "laugh",
    "🤣": "laugh",
    "😆": "laugh",
    "😁": "grin",
    "😊": "smile",
    "☺": "smile",
    "😀": "smile",
    "😄": "smile",
    "😎": "cool",
    "🤗": "hug",
    "👏": "applause",
    "👍": "good",
    "👌": "good",
    "🙌": "celebrate",
    "🎉": "celebrate",
    "🙏": "thankful",
    "💪": "strong",
    "😭": "cry",
    "😢": "cry",
    "😥": "cry",
    "😔": "sad",
    "☹": "sad",
    "😩": "tired",
    "😒": "annoy",
    "🙄": "annoy",
    "😤": "angry",
    "😡": "angry",
    "😠": "angry",
    "🤢": "disgust",
    "😱": "scream",
    "😨": "fear",
    "😳": "embarrass",
    "🤔": "doubt",
    "💔": "heartbreak",
}
"""Emoji and emoticons, each read as the word it depicts, so that its values too come from the lexicon."""
