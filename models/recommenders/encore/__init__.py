"""Encore's own recipe: ids, content, codes and neighbours in one table, scored through all of them."""
