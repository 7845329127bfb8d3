package main

import (
	"fmt"
	"os/exec"
	"strings"
)

const probe = "PITSTOP-PROBE"

// sets are the kinds of sets that policies become.
var sets = []string{"hash:ip", "hash:net"}

// rules use every match and target that policies become, each once. No packet comes by them.
var rules = []string{
	"-m comment --comment probe -j MARK --set-xmark 0x10000/0x10000",
	"-m mark ! --mark 0x10000/0x10000 -m limit --limit 10/minute --limit-burst 10 -j NFLOG --nflog-group 100",
	"-m conntrack --ctstate INVALID -j DROP",
	"-m addrtype --src-type LOCAL -j ACCEPT",
	"-m physdev --physdev-is-bridged -j RETURN",
	"-p tcp -m multiport --dports 30000:32767 -j RETURN",
	"-j REJECT",
}

// missing tells what the kernel or the node lacks for enforcing policies: every set and every rule is tried.
//
// kube-router itself would log a rule that is refused, and go on without any.
func missing() error {
	defer forget()
	for _, kind := range sets {
		name := setName(kind)
		if err := command("", "ipset", "create", name, kind, "family", "inet", "timeout", "0", "-exist"); err != nil {
			return err
		}
		if err := tryRule("-m set --match-set " + name + " src -j RETURN"); err != nil {
			return err
		}
	}
	for _, rule := range rules {
		if err := tryRule(rule); err != nil {
			return err
		}
	}
	return nil
}

func setName(kind string) string {
	return probe + "-" + strings.TrimPrefix(kind, "hash:")
}

// tryRule has the rule alone in a chain that nothing leads to.
func tryRule(rule string) error {
	if err := restore(fmt.Sprintf(":%s -\n-A %s %s\n", probe, probe, rule)); err != nil {
		return fmt.Errorf("no rule with %q: %w", rule, err)
	}
	return nil
}

func forget() {
	_ = restore(fmt.Sprintf(":%s -\n-X %s\n", probe, probe))
	for _, kind := range sets {
		_ = command("", "ipset", "destroy", setName(kind))
	}
}

func restore(lines string) error {
	return command("*filter\n"+lines+"COMMIT\n", "iptables-restore", "--wait", "5", "--noflush")
}

func command(input, name string, arguments ...string) error {
	run := exec.Command(name, arguments...)
	run.Stdin = strings.NewReader(input)
	if output, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w (%s)", name, err, firstLine(string(output)))
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
