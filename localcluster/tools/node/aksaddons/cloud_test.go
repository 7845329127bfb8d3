package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const two = "array:\n  - |\n    objectName: password\n    objectType: secret\n" +
	"  - |\n    objectName: pair\n    objectAlias: tls\n    objectType: cert\n"

const pair = "-----BEGIN PRIVATE KEY-----\nMQ==\n-----END PRIVATE KEY-----\n" +
	"-----BEGIN CERTIFICATE-----\nMg==\n-----END CERTIFICATE-----\n"

func TestFilesAreNamedByAliasOrObject(t *testing.T) {
	known := azure{Vaults: map[string]map[string]string{"kv": {"password": "p", "pair": pair, "other": "o"}}}
	files, err := known.files("kv", two)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files["password"] != "p" || files["tls"] != pair {
		t.Errorf("files = %v", files)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		known  azure
		vault  string
		asked  string
		reason string
	}{
		"vault":  {azure{}, "kv", two, "no vault kv"},
		"secret": {azure{Vaults: map[string]map[string]string{"kv": {}}}, "kv", two, "has no secret password"},
		"type": {azure{}, "kv", "array:\n  - |\n    objectName: a\n    objectType: password\n",
			"array[0]: needs objectName"},
		"yaml": {azure{}, "kv", "array: {", "parameters.objects"},
	} {
		if _, err := test.known.files(test.vault, test.asked); err == nil || !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPairInOneTextIsSplit(t *testing.T) {
	certificate, err := half(pair, "kubernetes.io/tls", "tls.crt")
	if err != nil || !strings.Contains(certificate, "CERTIFICATE") || strings.Contains(certificate, "PRIVATE") {
		t.Errorf("tls.crt = %q, %v", certificate, err)
	}
	key, err := half(pair, "kubernetes.io/tls", "tls.key")
	if err != nil || strings.Contains(key, "CERTIFICATE") || !strings.Contains(key, "PRIVATE") {
		t.Errorf("tls.key = %q, %v", key, err)
	}
	if _, err := half("no pair", "kubernetes.io/tls", "tls.key"); err == nil {
		t.Error("a text without a key passes for one")
	}
	if whole, err := half(pair, "Opaque", "tls.key"); err != nil || whole != pair {
		t.Errorf("another type is taken as it is: %q, %v", whole, err)
	}
}

func TestTheFirstFreeAddress(t *testing.T) {
	first, err := free(publicRange, map[string]bool{})
	if err != nil || first != "203.0.113.10" {
		t.Errorf("first = %s, %v", first, err)
	}
	second, err := free(publicRange, map[string]bool{first: true})
	if err != nil || second != "203.0.113.11" {
		t.Errorf("second = %s, %v", second, err)
	}
	if none, err := free("192.0.2.0/29", map[string]bool{}); err == nil {
		t.Errorf("a range that is used up gives %s", none)
	}
}

func TestTheFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "azure.json")
	known := newCloud(path)
	if found := known.now(); len(found.Vaults) != 0 {
		t.Errorf("without a file: %v", found)
	}
	for number, text := range []string{`{"vaults":{"kv":{"a":"1"}}}`, `{"vaults":{"kv":{"a":"2"}}}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(number) * time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		if found := known.now().Vaults["kv"]["a"]; found != string(rune('1'+number)) {
			t.Errorf("read %d: %s", number, found)
		}
	}
}
