"""The words and phrases that indicate each of the built-in topics."""

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
