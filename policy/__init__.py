"""The policy pack. Its folder stands by itself: nothing in it knows the program of this repository."""
