"""Plan to text. Pure: data in, string out."""
