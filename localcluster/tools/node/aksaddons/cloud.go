package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"sync"
	"time"

	"sigs.k8s.io/yaml"
)

// azure is what the file holds: values by vault and name, and public addresses by their resource's name.
type azure struct {
	Vaults    map[string]map[string]string `json:"vaults"`
	Addresses map[string]string            `json:"addresses"`
}

// cloud is Azure as far as a cluster sees it: the newest readable content of the file.
type cloud struct {
	path    string
	mutex   sync.Mutex
	written time.Time
	known   azure
}

func newCloud(path string) *cloud {
	return &cloud{path: path}
}

func (cloud *cloud) now() azure {
	cloud.mutex.Lock()
	defer cloud.mutex.Unlock()
	found, err := os.Stat(cloud.path)
	if err != nil || found.ModTime().Equal(cloud.written) {
		return cloud.known
	}
	text, err := os.ReadFile(cloud.path)
	var read azure
	if err == nil && json.Unmarshal(text, &read) == nil {
		cloud.known, cloud.written = read, found.ModTime()
	}
	return cloud.known
}

// wanted is one entry of a SecretProviderClass's `objects`.
type wanted struct {
	Name  string `json:"objectName"`
	Alias string `json:"objectAlias"`
	Type  string `json:"objectType"`
}

func (one wanted) file() string {
	if one.Alias != "" {
		return one.Alias
	}
	return one.Name
}

// objects reads the parameter: YAML with a list `array` of texts that are YAML again.
// Source: https://azure.github.io/secrets-store-csi-driver-provider-azure/docs/getting-started/usage/
func objects(text string) ([]wanted, error) {
	var outer struct {
		Array []string `json:"array"`
	}
	if err := yaml.Unmarshal([]byte(text), &outer); err != nil {
		return nil, fmt.Errorf("parameters.objects: %w", err)
	}
	found := make([]wanted, 0, len(outer.Array))
	for number, inner := range outer.Array {
		var one wanted
		if err := yaml.Unmarshal([]byte(inner), &one); err != nil {
			return nil, fmt.Errorf("parameters.objects.array[%d]: %w", number, err)
		}
		if one.Name == "" || (one.Type != "secret" && one.Type != "key" && one.Type != "cert") {
			return nil, fmt.Errorf(
				"parameters.objects.array[%d]: needs objectName, and objectType secret, key or cert", number)
		}
		found = append(found, one)
	}
	return found, nil
}

// files are the values a class asks a vault for, by the name of the file each is mounted as.
func (from azure) files(vault, asked string) (map[string]string, error) {
	list, err := objects(asked)
	if err != nil {
		return nil, err
	}
	values, there := from.Vaults[vault]
	if !there {
		return nil, fmt.Errorf("there is no vault %s", vault)
	}
	found := map[string]string{}
	for _, one := range list {
		value, there := values[one.Name]
		if !there {
			return nil, fmt.Errorf("vault %s has no secret %s", vault, one.Name)
		}
		found[one.file()] = value
	}
	return found, nil
}

// half is what of a value goes into one key of a Secret: of a TLS pair in one text, the certificate or the key.
func half(value, kind, key string) (string, error) {
	if kind != "kubernetes.io/tls" || (key != "tls.crt" && key != "tls.key") {
		return value, nil
	}
	var made []byte
	for rest := []byte(value); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if (block.Type == "CERTIFICATE") == (key == "tls.crt") {
			made = append(made, pem.EncodeToMemory(block)...)
		}
	}
	if len(made) == 0 {
		return "", fmt.Errorf("%s: the value holds no such block", key)
	}
	return string(made), nil
}
