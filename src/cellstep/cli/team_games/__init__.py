"""The data of `cellstep demo`: games of teams, read or generated, made into histories, and how guesses are judged."""
