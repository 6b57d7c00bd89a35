"""What tests share: a package index of their own, projects, an independent reader of what lockgen writes."""
