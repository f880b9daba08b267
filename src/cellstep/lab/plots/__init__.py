"""The pictures of results, drawn with matplotlib."""
