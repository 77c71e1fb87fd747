"""What messages say: templates, checked before anybody gets them, and rendered for each person."""
