"""Trial: a second model beside the champion, from its name to the verdict on it."""
