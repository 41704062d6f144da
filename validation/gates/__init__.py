"""Gates: whether a challenger is better, said with statistics; and whether it serves what was judged."""
