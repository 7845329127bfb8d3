"""The programs the project runs: chosen on this machine, downloaded, or built from the Go module proxy."""
