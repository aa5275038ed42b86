"""Who clients are: the desk where claims are verified, and those who can say, one file for each kind."""
