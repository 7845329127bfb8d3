// Stands in for Pitstop's images: one program for every service, and the pause container. Standard library only.
module pitstop.local/standin

go 1.22
