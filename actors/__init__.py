"""Who does what, when: one actor per live order, one for the broker, one for positions."""
