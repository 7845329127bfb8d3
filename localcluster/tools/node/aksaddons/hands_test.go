package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Two pods of one ReplicaSet mount a class: each of its Secrets has that owner once, the second Secret too.
func TestEverySecretOfAClassHasTheSameOwners(t *testing.T) {
	owners := []metav1.OwnerReference{{Name: "b", UID: "2"}, {Name: "a", UID: "1"}, {Name: "b", UID: "2"}}
	for range 2 {
		found := distinct(owners)
		if len(found) != 2 || found[0].Name != "a" || found[1].Name != "b" {
			t.Fatalf("owners are %v", found)
		}
	}
}
