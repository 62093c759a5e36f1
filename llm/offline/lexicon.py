"""The lexicon of `sentiment`: words and phrases that customers use differently from VADER's lexicon."""

# Names, courtesy in requests, and words customers use about themselves in complaints: loyal, respect.
NO_SENTIMENT = """
    admirals advantage amazon apology battle battles benefit benefits care certain certainly comedian
    comedians courtesy create created credit credits definitely dignity ez ff fire gain gains god grand
    greet greeted greetings gt ill l like loyal loyalty matter matters mia nh number ok okay party pita
    please pls plz profit profitable profits progress respect share shared super sure swift tears
    united urgent want war wars well xd xp yeah yep yes"""

# Words that VADER gives full weight but that mostly state a fact in everyday messages.
HARDLY_SENTIMENT = """
    accept accepted accepting active admit admits agree alert allow appease asset assets award awards
    bastard block bold capable championship chance chances clean clear clearly comfort crash cut dear
    demand determined drop ease easy energy entertain entertainment fair fan fear fears feeling festival
    fight fighters fighting fine free freestyle fresh friend friends funeral giving grant granted gun hard
    helps huge important improve improved improves increase intelligent interested join joy kill killed
    leave legal lmao lose loses losing miss missed natural opportunity original pay play played playing
    plays popular popularity pride promise promised promises reach ready recommend recommended resolve
    resolved responsible reward rewards safe safely safety save saved secure security sentence serious
    solution solutions special stop stops straight strong support supported supports surprise surprised
    top treat true trust trusted truth value values warm wise worth"""

# Words that VADER does not know or gives a different weight than customers do.
VALENCES = """
    -3.0 atrocious
    -2.8 disgrace inexcusable appalling
    -2.6 incompetent incompetence nightmare fml liar
    -2.4 ripoff ruined mistreated filthy worthless shambles inedible idiots
    -2.2 stranded unhelpful useless overcharged ruining ruin lousy crap
    -2.0 clueless absurd disorganized misled lied lying bs senseless garbage
    -1.8 ignored chaos mess overpriced slowest joke
    -1.6 disconnected refuses refused misplaced cramped laggy stuck overbooked oversold flaw tanked
    -1.4 excuses delayed downgraded unanswered glitchy crashed crashing buggy unrealistic
    -1.2 kidding excuse delays broke unreal unbelievable slow darn
    -1.0 canceled freezing glitch outage waited unable sigh bailed
    -0.8 bug forgot waiting expensive
    -0.6 late sitting nobody
    -0.5 hours hrs
    0.2 help helped helping
    0.8 hope hoping hopefully wish better pretty lol luck lmfao
    1.0 fleek birthday prompt promptly
    1.4 kind lucky haha hahaha smooth refreshed
    1.6 thankyou thanx thanking
    1.8 rock rocks rocked hyped pumped smoothest epic legend dope tgif
    2.2 stoked gorgeous fave rad legendary unforgettable
    2.6 luv luved phenomenal"""

# Thanks of every kind: praise if the text has no complaint, otherwise mere politeness.
COURTESY = """
    thank thanks thx thanx ty tnx thankyou thanking thankful appreciate appreciated grateful cheers"""

# A valence and the phrases that have it (notation: text.phrases): complaints without a bad word, irony, praise.
PHRASES = """
    -3.6 thanks|thx|thank for|you|u nothing|not
    -3.6 thanks|thx for ruining|wasting|losing|making
    -3.6 for nothing
    -2.6 love how|being|when
    -2.4 gotta love
    -2.0 way to drop|ruin|treat|lose
    -2.0 on|over hold
    -2.0 never fly|flying|flown|use|using|buy
    -2.0 last time i
    -1.8 never|not again
    -1.8 what a joke|mess|shame|disgrace
    -1.8 service fail
    -1.8 waste|wasting of|my
    -1.8 give|gives|given no|a|zero fuck|fucks|shit|damn
    -1.6 still waiting|no|not|haven't|hasn't|can't|don't|isn't|nothing|sitting|stuck|on
    -1.6 no|zero response|reply|answer|answers|help|info|information|communication|update|updates
    -1.6 no|zero explanation|explanations|apology|luggage|bag|bags|idea|notice|record|crew|pilot|gate|food
    -1.6 no one
    -1.6 never|hasn't|haven't|didn't|not arrived|arrive|received|receive|came|come|delivered|replied|responded
    -1.5 thanks|thank|thx but
    -1.6 hang|hangs|hanging up on
    -1.6 ever again
    -1.6 do|try better|harder
    -1.6 get|got your act|shit|stuff
    -1.6 hours and counting
    -1.5 money back
    -1.4 hung up
    -1.4 yet again
    -1.4 lost|losing|lose|missing my|our|luggage|bag|bags
    -1.4 good luck with
    -1.4 another hour|delay|2|3
    -1.4 hour|hours|hr|hrs|min|mins|minutes|days late|later|delay|wait|hold|delayed
    -1.4 customer service is|was|sucks
    -1.4 not going|be to|flying|happy
    -1.2 can't|cant|couldn't|cannot help
    -1.2 not|isn't|doesn't|won't|wont|didn't|don't|doesnt|aren't|wasn't working|work|help|answer|respond
    -1.2 can't|cant|couldn't|cannot|won't|wont get|find|reach|even|access|log|login|speak|talk|check|book|let
    -1.2 over|almost|nearly an hour
    -1.2 over 2|3|4|5|6|two|three hours|hrs
    -1.2 why is|are|do|does|did|was|were|has|have|would|am|can't|cant|don't|won't|wont|didn't|isn't
    -1.2 how is|can this|that|you
    -1.2 fix your|this|it
    -1.2 my|our bag|bags|luggage|suitcase is|are|was|were|never|didn't|has|still|hasn't|aren't
    -1.2 where is|are|the my|hell
    -1.2 where's my
    -1.2 find|found|left|forgot|locate our|my luggage|bag|bags|suitcase
    -1.2 miss|missed|missing|misses my|our connection|connections|flight|connecting
    -1.2 i'm|im|so done
    -1.2 you lost|cancelled|canceled|never|took|stole|charged|delayed
    -1.2 someone|somebody|anyone|please answer|please|there|stop
    -1.2 two|2|3|three times
    -1.2 kicked off
    -1.2 yet another
    -1.2 no excuse|longer|sense
    -1.2 not|isn't acceptable
    -1.0 still in|at|here
    -1.0 hold for
    -1.0 how hard|come|many
    -1.0 only to|1|one
    -1.0 waited|waiting for
    -1.0 doesn't|didn't|don't even|care
    -1.0 just|right sitting|stuck|sits
    -1.0 left me|us
    -1.0 been trying|waiting|sitting|on
    -1.0 been days|weeks|hours|months
    -0.8 unable to
    -0.8 was|were|been told
    -0.8 told me|us to|that|i|we|it
    -0.8 keeps|keep saying|telling|giving|getting|hanging|changing
    -0.8 half|the an|hour hour
    -0.7 once again
    -0.7 more|less than
    -0.6 due to
    -0.6 because of
    -0.6 how long
    -0.5 trying to
    0.6 thanks for|to
    0.8 thank you
    0.8 look forward
    0.8 check it|out
    0.8 come see|out|join|support
    0.8 so|too hot|cute|ready
    1.0 see you
    0.6 you so much
    1.2 looking forward
    1.2 good|great|nice|awesome|excellent|quick|prompt|fast|amazing job|work|service|response|reply|flight
    1.2 much|really appreciated|appreciate
    1.2 on point
    1.4 shout|shoutout out|to
    1.4 happy birthday
    1.4 taken|took|taking|take care of
    1.6 well done|played
    1.6 above and beyond
    1.6 never let|lets|disappoints|disappoint
    1.8 made|makes my
    1.8 you|guys|u rock
    1.8 way to fly|go
    2.4 can't|cant|cannot wait
    2.6 no|not problem|worries|bad"""
