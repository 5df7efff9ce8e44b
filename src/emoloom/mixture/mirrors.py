"""Words and phrases paired with their opposite in valence: same part of speech, same inflection, like arousal.

Written for EmoLoom. A line holds pairs of one family, the pleasant term first, spaces written as `_`. A family stands wholly in
training or, where its lines begin with `*`, wholly in the flip test, so that no form of a tested word is seen in a training
flip. Every term has one partner only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

_WORDS = """
good|bad better|worse
* best|worst
love|hate loves|hates loved|hated loving|hating
i_like|i_dislike i_really_like|i_really_dislike i_also_like|i_also_dislike i_liked|i_disliked i_really_liked|i_really_disliked
we_like|we_dislike they_like|they_dislike people_like|people_dislike he_likes|he_dislikes she_likes|she_dislikes
* happy|unhappy happier|unhappier happiest|unhappiest happily|unhappily happiness|unhappiness happy_with|mad_at
* so_happy_with|so_mad_at very_happy_with|very_mad_at happy_for|angry_at so_happy_for|so_angry_at
nice_job|poor_job nice_work|poor_work nice|sad nicer|sadder nicest|saddest i_am_glad|i_am_sad i_am_so_glad|i_am_so_sad
i_was_glad|i_was_sad i_was_so_glad|i_was_so_sad i_was_very_glad|i_was_very_sad i_was_really_glad|i_was_really_sad
i_felt_glad|i_felt_sad i_felt_so_glad|i_felt_so_sad feel_glad|feel_sad feel_so_glad|feel_so_sad
feeling_glad|feeling_sad made_me_glad|made_me_sad makes_me_glad|makes_me_sad made_me_so_glad|made_me_so_sad
makes_me_so_glad|makes_me_so_sad
* so_cheerful|so_mad very_cheerful|very_mad really_cheerful|really_mad
* so_joyful|so_angry very_joyful|very_angry really_joyful|really_angry joyful_when|angry_when joyful_that|angry_that
adore|detest adores|detests adored|detested adoring|detesting
admire|despise admires|despises admired|despised admiring|despising
trust|distrust trusts|distrusts trusted|distrusted trusting|distrusting
* amazing|horrific amazingly|horrifically amazed|horrified
* awesome|horrible
fantastic|shitty
brilliant|ridiculous
* perfect|pathetic perfectly|pathetically
* beautiful|ugly beauty|ugliness
* cute|creepy cuter|creepier cutest|creepiest
sweet|rude sweeter|ruder sweetest|rudest
* cool|lame coolest|lamest
smart|stupid smarter|stupider smartest|stupidest
funny|irritating hilarious|annoying hilariously|annoyingly
helpful|hurtful
* interesting|disturbing
entertaining|tiresome
neat|gross
yummy|yucky
delicious|revolting
delightful|disgusting delighted|disgusted delight|disgust
excited|crushed exciting|crushing
thrilled|terrified thrilling|terrifying thrilled_by|terrified_of
so_fun|so_scary very_fun|very_scary really_fun|really_scary was_fun|was_scary is_fun|is_scary
impressed|disappointed impressive|disappointing impressed_by|disappointed_in impress|disappoint
grateful|annoyed grateful_for|annoyed_by
thank_you_for|curse_you_for thanks_for|shame_on_you_for
i'm_glad|i'm_sad i'm_so_glad|i'm_so_sad glad_to|sad_to glad_that|sad_that glad_you|sad_you
passionate_about|afraid_of keen_on|sick_of
relieved|stressed
confident|nervous confidently|nervously
honored|embarrassed honored_by|embarrassed_by
flattering|embarrassing
treasured|regretted treasure|regret treasuring|regretting
* feel_great|feel_guilty felt_great|felt_guilty feeling_great|feeling_guilty
enthusiastic|anxious enthusiastic_about|worried_about
eager_to|scared_to
laugh|scream laughs|screams laughed|screamed laughing|screaming
smile|frown smiles|frowns smiled|frowned smiling|frowning
rejoice|cry rejoiced|cried
satisfied|frustrated satisfying|frustrating
hope|doubt hopes|doubts hoped|doubted hoping|doubting
succeed|fail succeeds|fails succeeded|failed succeeding|failing success|failure
you're_right|you're_wrong you_are_right|you_are_wrong he's_right|he's_wrong she's_right|she's_wrong they're_right|they're_wrong
correct|incorrect
useful|useless
friendly|hostile
healthy|unhealthy
lucky|unlucky luckily|unluckily
respect|disrespect respects|disrespects respected|disrespected respectful|disrespectful
honest|dishonest faithful|unfaithful reliable|unreliable
positive|negative positively|negatively
strong|weak stronger|weaker strongest|weakest strength|weakness
hero|jerk heroes|jerks
legend|idiot legends|idiots
dream|nightmare dreams|nightmares
miracle|disaster
pleasure|pain pleasures|pains
incredible|horrifying outstanding|outrageous magnificent|monstrous
saved|ruined saves|ruins
that's_fun|that_sucks this_is_fun|this_sucks it's_fun|it_sucks
yay|boo hooray|alas haha|ugh hahaha|argh lol|smh lmao|ffs
:)|:( :-)|:-( =)|=( :D|D: <3|</3
❤|💔 👍|👎 😊|😔 😀|😢 😁|😠 🙂|🙁 😃|😞 ☺|☹ 😄|😥
* great|terrible greatest|lousiest
* wonderful|awful wonderfully|awfully
* lovely|repulsive
* excellent|atrocious
* gorgeous|hideous
* clever|dumb
* genius|fool geniuses|fools
* adorable|obnoxious
* wholesome|toxic
* fabulous|crappy
* enjoy|loathe enjoys|loathes enjoyed|loathed enjoying|loathing enjoyable|loathsome
* appreciate|resent appreciates|resents appreciated|resented appreciating|resenting
* agree|disagree agrees|disagrees agreed|disagreed agreeing|disagreeing
* proud|ashamed proudly|shamefully
* thankful|bitter thankful_for|bitter_about
* overjoyed|heartbroken
* elated|upset
* hopeful|hopeless optimistic|pessimistic
* encouraging|discouraging encouraged|discouraged
* fascinating|frightening fascinated|frightened
* joy|misery joys|miseries
* cherished|lonely
* blissful|miserable blissfully|miserably
* blessed|cursed
* complimented|insulted complimenting|insulting compliment|insult compliments|insults
* praise|criticize praised|criticized praising|criticizing
* generous|greedy generosity|greed
* fortunate|unfortunate fortunately|unfortunately
* looking_forward_to|dreading looked_forward_to|dreaded
* sweetheart|asshole sweethearts|assholes
* masterpiece|abomination
"""


class Term(NamedTuple):
    """One side of a pair, seen from the other: its ``mirror``, on which side it lies, and whether it is held out."""

    mirror: str
    pleasant: bool
    held_out: bool


def _terms(listing: str) -> Iterator[tuple[str, Term]]:
    for line in listing.splitlines():
        held_out = line.startswith("* ")
        for pair in line.removeprefix("* ").split():
            pleasant, unpleasant = pair.replace("_", " ").split("|")
            yield pleasant, Term(unpleasant, True, held_out)
            yield unpleasant, Term(pleasant, False, held_out)


TERMS: Mapping[str, Term] = dict(_terms(_WORDS))
"""Every term of the table, lower case with a straight apostrophe (emoticons as they are written)."""

OPERATORS = frozenset({"hope", "hopes", "hoped", "hoping", "doubt", "doubts", "doubted", "doubting"})
"""Terms that turn what they govern: nothing else in their clause may be exchanged, or it would be turned twice."""

# Phrases in which a term of the table is not itself, and words that make what follows unreal or set it against the rest.
BLOCKED = tuple(
    phrase.replace("_", " ")
    for phrase in """
    in_love love_life love_song true_love first_love one_love would_love would_hate i'd_love love_to_see
    good_morning good_night good_evening good_afternoon good_luck good_bye good_for_you good_old my_bad too_bad bad_ass
    good_point good_question nice_try as_good_as good_guy bad_guy bad_guys good_guys feel_free all_good a_good_while
    best_friend best_friends best_buddy best_man best_wishes all_the_best best_of_luck my_best our_best
    better_off had_better you_better i_better better_than_nothing better_late
    great_grandmother great_grandfather great_aunt great_uncle a_great_deal great_grandma great_grandpa
    happy_birthday happy_new_year happy_cake_day happy_hour happy_to_help sad_but happy_ending
    thanks_to many_thanks no_thanks thanksgiving sorry apologise apologize apologies apology my_condolences circle_jerk
    awful_lot an_awful_lot great_amount annoyed_at annoyed_with annoyed_when you're_welcome
    pretty_cool cool_down stay_safe stay_strong safe_to_say
    hope_to hope_for hopes_up hoping_for hoping_to no_doubt doubt_it hope_so to_hope any_hope for_hope
    agreed_to agree_to guilty_pleasure dream_of dreamed dreamt laugh_at laughing_at smart_phone
    ugly_sweater negative_review positive_review social_anxiety thank_you_so_much thank_you_very_much thanks_so_much
    thanks_a_lot dead_end drop_dead birth_control birth_to
    congrats congratulations wish wished wishing if_only supposed_to pretend pretended sarcasm sarcastic /s oh_great just_great
    but although though however despite yet except unless instead_of even_if rather_than used_to
    hardly barely scarcely less least lack lacks stop stopped stops avoid avoided prevent too_much too_many let's_hope
    lets_hope only_hope the_laugh the_laughs a_laugh nice_sir good_sir get_excited love_a_good love_a_bad trusted_he
    yes_please of_life what_the_fuck what_the_hell wtf stfu fuck_off fuck_you screw_you the_fuck_is wrong_with
    hopefully
    """.split()
)

# Events stay good or bad whatever is said of them: "so elated when my phone was stolen" is no mirror of "so upset when ...".
_MISHAPS = """
accident accidentally accused alone argument arrested ashes attacked awkward abandoned abuse abused beat bed_bugs bill bills bit
bitten blood blamed break breakup broke broken bug bugs bullied burned burnt cancelled canceled cancer caught cavity
cheat cheated cheating complain complaining cockroach cost crash crashed cried cry crying cut damage damaged dark dead
death debt deceiving
dent dentist depression destroyed diagnosed died dies dirty disease divorce drunk drugs dumped dying embarrassing emergency
ex exam exams expensive fail failed failing failure fall fallen farted fault feces fell fight fighting fire fired flat flood
forget forgot funeral garbage ghost gone gone_up gossip gunshot hair_in hit homeless horror hospital hungry hurricane
hurt hurting
ignored illness injured injury insulted interview jail killed late laid_off left leave leaving lie lied lies lose
losing loss lost loud lying
mess messed mess_up miss missed missing mistake moldy mold move moved_away moving_away mugged murder murdered noise noisy pain
passed_away peed pee plagiarized poo poop pooped pregnant_again problem problems puke puked put_down put_my quit rat
rats rejected rip ripped robbed
roach ruined rumors scared_me scratched sick shattered shooting shot slapped slap smell smelled smells snake snakes
spider spiders
spilled spit stain steal stealing stole stolen stomach storm stood_me_up struck stuck suicide surgery test thief
thieves threw_up threw throw
throws thunderstorm to_sleep ticket tornado traffic trash tripped trouble vomit vomited war wasted weight wet worst
wreck wrecked yelled yelling
did_not didn't couldn't can't cant wasn't won't wouldn't doesn't never without no_one nobody
"""
_WINDFALLS = """
accepted award babies baby's_first birth bonus cancer-free christmas congratulated engaged finally_got gift gifts
graduated graduating graduation healed
hero hired honeymoon lottery married passed perfect_score present presents promoted promotion raise recovered refund
rescued saved thank_you thanks thx be_okay be_ok scholarship wedding to_be_alive succeeded surprise_party survived
trophy vacation victory win winning winner wins won
"""
MISHAPS = tuple(phrase.replace("_", " ") for phrase in _MISHAPS.split())
"""What stays unpleasant: with one of these, a text is not turned to the pleasant side."""
WINDFALLS = tuple(phrase.replace("_", " ") for phrase in _WINDFALLS.split())
"""What stays pleasant: with one of these, a text is not turned to the unpleasant side."""
