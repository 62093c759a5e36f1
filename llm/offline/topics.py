"""Topics without a model: the words and phrases that indicate each of the built-in topics."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache

from llm.offline.text import phrases

MOST_TOPICS = 4
CLEARLY = 0.4  # share of the best topic's phrases; a topic with fewer is only mentioned in passing

# The topics used if no other is found. Thanks in a complaint are politeness, not praise.
PRAISE, COMPLAINT, QUESTION = "praise", "complaint_other", "information_request"
OTHER, OTHER_LANGUAGE = "other", "other_language"
"""The analyzer's own topics, in no list: nothing was recognised, and a text in a language that it does not know."""

# Which topic comes first, a line's before all later ones: what happened, what it was about, the means, the manner.
# Within a line the topic with more matching phrases, then the earlier one. The order of the lines was learnt on half
# of the labelled complaints: the first topic is right for 0.567 of them, for 0.589 of the other half, and for 0.494 and
# 0.520 if the number of phrases alone decides.
SPECIFIC_FIRST = """
cancellation lost_or_damaged_item delivery_problems product_defect account_access
delay customer_service product_quality billing refund
booking pricing
staff_behaviour waiting_time
technical_issue service_outage
praise feature_request information_request complaint_other
"""

# A question that nothing else tells about: a question word or an inverted verb begins it. A mark alone asks nothing.
ASKS = re.compile(
    r"(?:^|[.!?,;:\n]|\b(?:and|but|so|hi|hello|hey|ok|okay|please)\b)\s*"
    r"(?:who|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should|may|has|have"
    r"|any(?:one|body)?)\b[^.!?\n]{3,200}\?",
    re.IGNORECASE,
)

# Phrases that are no wait for anything, unless one of the second line stands there too.
EAGER = "can't|cant|cannot|couldn't|couldnt|not wait"
IMPATIENT = "wait any|anymore|another|forever|here|in|longer|much|on|that|this"

# One topic per paragraph; its rules are in the notation of text.phrases.
RULES = """
delivery_problems
    parcel|parcels|package|packages|shipment|shipping|shipped|courier|dispatched|doorstep|postman|undelivered
    delivery|deliver|delivered|deliveries
    never|hasn't|haven't|not|didn't|still arrived|arrive|received|receive|turned
    my|our order|orders
    order hasn't|never|still|arrived
    out for delivery
    tracking number|says|shows|info

delay
    late|delay|delays|delayed|delaying|postponed|tarmac|overdue|stranded|layover|mechanical
    hours|hrs|hour|hr|mins|minutes|min late|later|delay|delayed|behind|on|sitting|and
    sitting|sit|sat|stuck|waiting|been on|at|in the|a|this
    still|been|are|were|is|just sitting|stuck|parked
    stuck in|at|on
    on time|schedule
    behind schedule
    miss|missed|missing|making|make|makes my|our|the|a connection|connecting|connections|flight|train
    miss|missed|missing connection|connections|flight
    a|the|our|your pilot|pilots|captain|fuel|takeoff
    waiting|wait for|on pilot|crew|plane|maintenance
    no|have|need crew|pilot|pilots
    taking off|forever
    departure|boarding time
    will we|it|flight leave|depart|board|arrive|land
    not|hasn't|haven't|still boarded|left|departed|landed
    held|holding up
    expected|supposed|scheduled to arrive|leave|depart|land|take
    running|too|so late
    flight|train status

cancellation
    cancel|cancels|cancelled|canceled|cancelling|canceling|cancellation|cancellations|unsubscribe
    rebooked|rescheduled
    called off
    end|close|terminate my|our|the subscription|membership|contract

lost_or_damaged_item
    luggage|baggage|bag|bags|suitcase|suitcases|stolen|stole|theft|damaged|carousel|belongings|stroller|lost
    lost|left|missing|found|find|forgot|misplaced my|our|an|his|her item|items|phone|ipad|laptop|coat|jacket
    lost|left|missing|found|find|forgot|misplaced my|our|an|his|her wallet|purse|computer|glasses|keys|book
    left|forgot something|it on|at|in
    locate my|our|the
    arrived|came|is|was broken|damaged|smashed|crushed|ripped|torn

product_quality
    wifi|legroom|uncomfortable|cramped|comfortable|comfy|dirty|filthy|smell|smells|smelly|disgusting|stale
    inedible|cabin|entertainment|snack|snacks|food|meal|meals|drink|drinks|beverage|beverages|coffee|pretzels
    tv|tvs|movie|movies|blanket|blankets|pillow|pillows|recline|reclining|quality|freezing|taste|tastes|tasted
    outlet|outlets|bathroom|bathrooms|lavatory|toilet|toilets|bumpy|turbulence|cleanliness|poorly|flimsy|faded
    mouldy|moldy|soggy|undercooked|portion|fabric|stained|screen|screens|headphones|seatmate|armrest|amenities
    hotel|plane|planes|onboard|overhead|nickel|nickeled|extra
    worst|terrible|horrible|bad|awful|poor|disappointing|rough|good|great flight|experience|airline|trip
    worst|terrible|horrible|bad|awful|poor|disappointing|rough|good|great product|room|quality|stay
    middle|broken|wet|small|tight|terrible|worst|lousy seat|seats
    air conditioning
    paid|pay|paying for|extra
    no|without water|power|heat|air|ac|internet

product_defect
    broken|defective|faulty|malfunction|malfunctioning|cracked|overheating|overheats|battery
    stopped|quit working|charging
    won't|doesn't|wont|doesnt|not turn|charge|start|boot on|up
    won't|wont charge|start|boot
    not|isn't charging
    keeps shutting|dying|restarting

service_outage
    outage|outages|offline
    website|site|app|service|server|servers|system|systems|network|internet|computers|power|phones down
    website|site|app|service|server|servers|system|systems|network|internet is|are|was|been|has|keeps|crashed
    no|lost|without signal|internet|reception|coverage|electricity
    not|isn't|won't loading|load|connecting
    went|gone|goes|shut down

billing
    bill|bills|billed|billing|invoice|charge|charges|charged|charging|overcharged|payment|payments|paid|fee
    fees|receipt|debit|debited|deducted|paypal
    credit|debit|bank card|cards
    double|twice charged|charge

refund
    refund|refunds|refunded|refunding|reimburse|reimbursed|reimbursement|compensation|compensate|compensated
    voucher|vouchers|comped
    money back
    my|our money
    travel|flight credit|credits|certificate

pricing
    price|prices|priced|pricing|cost|costs|costing|expensive|cheap|cheaper|cheapest|fare|fares|discount
    discounts|deal|deals|promo|promotion|promotions|sale|coupon|coupons|overpriced|tariff|afford
    how much
    too|so much money
    rip off

booking
    booking|bookings|booked|book|reservation|reservations|reserve|reserved|itinerary|seat|seats|upgrade
    upgraded|upgrades|standby|checkin|overbooked|oversold|passbook|companion|miles|mileage|rebook|ticket
    tickets|redeem|reschedule|tkt|rebooking|cart
    check|checked|checking in|into
    boarding|companion|travel pass|passes
    change|changed|changing|switch|modify|move my|a|our|the flight|flights|plans|trip|order
    changed|change flight|flights
    first|business|economy class|plus
    reward|rewards points|travel|program
    confirmation number|code|email

account_access
    password|passwords|login|username|hacked|verification|captcha|passcode|authenticator|locked
    log|logged|logging|sign|signed|signing in|into|on|out
    my account
    reset|forgot|change my|the pin

technical_issue
    error|errors|glitch|glitches|bug|bugs|update|updated|updates|install|reinstall|crash|crashes|crashing
    software|firmware|website|site|app|browser|online|settings|ios|android|windows|sync|laggy|freezes|computer
    computers|page|server|download|restarting|reboot
    not|isn't|doesn't|won't|wont|doesnt|stopped|never working|work|load|open
    technical|tech|it issue|issues|problem|problems|difficulties

customer_service
    service|representative|representatives|rep|reps|helpline|hotline|callback|response|responses|reply|replies
    respond|responded|responding|replied|disconnected|unhelpful|unresponsive|transferred|csr|apology|apologize
    apologies|supervisor|communication|phone|phones|call|calls|called|calling|customers|customer|email|emails
    emailed|dm|answer|answers|answered|answering|complaint|complaints|ignored|ignoring|help|helping|helped
    operator|automated|policy|policies|voicemail|understaffed|staffed|letter|excuses|excuse
    hung|hang|hangs|hanging up
    on hold
    speak|talk|spoke|talked|talking|speaking to|with
    no|any|zero one|info|information|explanation|updates
    real|live|actual|human person|human|being|agent
    someone|somebody|anyone please|assist|explain|contact
    won't|wouldn't|doesn't|didn't|couldn't care|know
    don't|can't know
    told|telling|lied|informed me|us|him|her|you|they|i|we|that|to
    your|the|ur agent|agents|team|people|employees|employee
    worst|terrible|horrible|poor|bad|awful|great|excellent|best|amazing|pathetic|shitty experience|airline
    worst|terrible|horrible|poor|bad|awful|great|excellent|best|amazing|pathetic|shitty company|support
    get|got|getting run|through|around|runaround
    never|not|don't again|care|fly|flying
    how|way you|to treat
    lost|lose|losing my|a|another|your business|customer

staff_behaviour
    rude|rudeness|rudest|attitude|attendant|attendants|stewardess|stewardesses|steward|crew|crews|pilot|pilots
    staff|staffers|employee|employees|agent|agents|driver|captain|unprofessional|disrespectful|disrespect
    condescending|yelled|yelling|screamed|friendly|courteous|polite|politely|manners|cashier|waiter|waitress
    technician|clerk|personnel|discriminated|discrimination|racist|nasty|impolite|helpful|manager|handlers
    worker|workers|treated
    your|the|ur lady|guy|woman|man|people
    she|he was|is|told|said|refused|had|made|did

waiting_time
    queue|queues|queuing|queueing|line|lines|wait|waits|waiting|waited|staffed|understaffed
    on hold
    standing in|here
    how long
    been holding|here
    for over|almost|an|more|2|3|4|5|two|three hour|hours|hrs|than
    took|takes|taking forever|ages|over|hours
    hours|hrs|minutes|mins|hour|min to|in|at|before

information_request
    how do|can|does|much|many|long|to i|you|we|one|it
    where|what|when|which|who is|are|do|does|can|will|time|would|should|i|the|was
    is|are|was it|there|this|the|that|my|your any|possible|a|still|available
    do|does|can|could|will|would|did|have you|u|i|we|the|my|your|it|this|that|someone
    any idea|chance|update|updates|way|word|plans|news|info
    let me know
    wondering if|when|what|how|why
    know if|when|what|how|where|whether|why

feature_request
    feature|features|suggestion|suggestions
    would|it'd be great|nice|awesome|cool|good|helpful
    wish you|u|they|there would|could|had|were
    please|can|could|u|you add|bring|introduce|consider|allow
    you|they should|could add|have|offer|make|let|bring|consider
    love|like to see|have

praise
    thank|thanks|thx|ty|thankyou|appreciate|appreciated|kudos|awesome|amazing|excellent|great|love|loved
    loving|best|wonderful|fantastic|perfect|brilliant|bravo|congrats|congratulations|props|impressed
    outstanding|delighted|cheers|superb|rocks|rock|good|nice|happy
    well done|played
    above and beyond
"""


def find_topics(cleaned: str, ngrams: set[str], sentiment: int, topics: Mapping[str, str]) -> tuple[str, ...]:
    """Return one to MOST_TOPICS slugs of `topics`, the most specific first.

    `cleaned` is the text (text.clean), `ngrams` are its phrases, `sentiment` is 1, 0 or -1. If nothing matches: the
    topic for praise, for a question or for any other complaint, and OTHER for a text that takes no side and asks
    nothing. If an operator's own list lacks that topic, its last one. An operator's own topic has no rules here; the
    words of its slug are matched instead.
    """
    ngrams = ngrams - {"wait"} if _is_eager(ngrams) else ngrams
    rules, ruled = _rules(), _slugs()
    found = Counter(topic for phrase in rules.keys() & ngrams for topic in rules[phrase] if topic in topics)
    found.update(slug for slug in topics if slug not in ruled and ngrams.issuperset(slug.split("_")))
    if sentiment <= 0:
        del found[PRAISE]
    enough = CLEARLY * max(found.values(), default=0)
    best = sorted((slug for slug in found if found[slug] >= enough), key=lambda slug: (-found[slug], slug))
    return _specific_first(best[:MOST_TOPICS], found) or (_fallback(cleaned, sentiment, topics),)


def _is_eager(ngrams: set[str]) -> bool:
    return not _phrases(EAGER).isdisjoint(ngrams) and _phrases(IMPATIENT).isdisjoint(ngrams)


def _specific_first(best: list[str], found: Mapping[str, int]) -> tuple[str, ...]:
    """An operator's own topics before all others: their words are not said in passing."""
    places = _places()

    def rank(slug: str) -> tuple[int, int, int]:
        line, place = places.get(slug, (-1, 0))
        return line, -found[slug], place

    return tuple(sorted(best, key=rank))


def _fallback(cleaned: str, sentiment: int, topics: Mapping[str, str]) -> str:
    slug = {1: PRAISE, 0: QUESTION if ASKS.search(cleaned) else OTHER, -1: COMPLAINT}[sentiment]
    return slug if slug in topics or (slug == OTHER and COMPLAINT in topics) else list(topics)[-1]


@cache
def _places() -> Mapping[str, tuple[int, int]]:
    """The line and the place in it of each topic in SPECIFIC_FIRST."""
    lines = SPECIFIC_FIRST.strip().splitlines()
    return {
        slug: (line, place) for line, slugs in enumerate(lines) for place, slug in enumerate(slugs.split())
    }


@cache
def _phrases(rule: str) -> frozenset[str]:
    return frozenset(phrases(rule))


def _paragraphs() -> list[str]:
    return RULES.strip().split("\n\n")


@cache
def _slugs() -> frozenset[str]:
    return frozenset((COMPLAINT, *(paragraph.split(maxsplit=1)[0] for paragraph in _paragraphs())))


@cache
def _rules() -> Mapping[str, tuple[str, ...]]:
    rules: dict[str, tuple[str, ...]] = {}
    for slug, *lines in map(str.splitlines, _paragraphs()):
        for phrase in {phrase for line in lines for phrase in phrases(line)}:
            rules[phrase] = (*rules.get(phrase, ()), slug)
    return rules
