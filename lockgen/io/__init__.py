"""Effects, one door for each: processes, HTTP, the project folder, caches, git, the terminal."""
