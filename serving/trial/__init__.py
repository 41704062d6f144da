"""Trial: a challenger beside the champion, as shadow or canary."""
