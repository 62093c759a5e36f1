"""Fields of one's own: what an operator wants every analysis to answer besides sentiment and topics."""
