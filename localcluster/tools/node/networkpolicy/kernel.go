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
	tried := rules
	for _, kind := range sets {
		name := setName(kind)
		if err := command("", "ipset", "create", name, kind, "family", "inet", "timeout", "0", "-exist"); err != nil {
			return err
		}
		tried = append(tried, "-m set --match-set "+name+" src -j RETURN")
	}
	all := tryRules(tried...)
	if all == nil {
		return nil
	}
	for _, rule := range tried {
		if err := tryRules(rule); err != nil {
			return fmt.Errorf("no rule with %q: %w", rule, err)
		}
	}
	return all
}

func setName(kind string) string {
	return probe + "-" + strings.TrimPrefix(kind, "hash:")
}

// tryRules has rules in a chain that nothing leads to.
func tryRules(rules ...string) error {
	var lines strings.Builder
	fmt.Fprintf(&lines, ":%s -\n", probe)
	for _, rule := range rules {
		fmt.Fprintf(&lines, "-A %s %s\n", probe, rule)
	}
	return restore(lines.String())
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
