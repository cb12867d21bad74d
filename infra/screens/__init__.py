"""What a person looks at: screens fed by the journal, which they never hold up."""
