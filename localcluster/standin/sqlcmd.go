package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"time"
)

// Started under the name of SQL Server's client, the stand-in checks a script as far as that goes
// without a database: it waits for the server, splits the script, and wants a value for every variable.

const sqlcmdName = "sqlcmd"

// knock is how long the client waits before it looks for its server again.
const knock = 500 * time.Millisecond

var (
	batchEnd = regexp.MustCompile(`(?i)^\s*GO(\s+\d+)?\s*$`)
	variable = regexp.MustCompile(`\$\(([^)\s]*)\)`)
)

// script is what the arguments ask for.
type script struct {
	server, user, file string
	login              time.Duration
}

func runSqlcmd(ctx context.Context, arguments []string, env settings, out io.Writer) error {
	asked, err := parseSqlcmd(arguments)
	if err != nil {
		return err
	}
	if env("SQLCMDPASSWORD") == "" {
		return fmt.Errorf("SQLCMDPASSWORD is not set: login for %s needs it", asked.user)
	}
	text, err := os.ReadFile(asked.file)
	if err != nil {
		return err
	}
	if err := awaitServer(ctx, asked.server, asked.login); err != nil {
		return err
	}
	done := batches(string(text))
	for _, batch := range done {
		if err := known(batch, env); err != nil {
			return err
		}
		fmt.Fprintln(out, title(batch))
	}
	fmt.Fprintf(out, "%d batches\n", len(done))
	return nil
}

func parseSqlcmd(arguments []string) (script, error) {
	var asked script
	flags := flag.NewFlagSet(sqlcmdName, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Bool("C", false, "trust the server's certificate")
	flags.Bool("b", false, "end at the first error, as this does anyway")
	server := flags.String("S", "", "")
	flags.StringVar(&asked.user, "U", "", "")
	flags.StringVar(&asked.file, "i", "", "")
	flags.String("d", "", "the database, of which there is none")
	login := flags.Int("l", 8, "seconds a login may take")
	if err := flags.Parse(arguments); err != nil {
		return script{}, fmt.Errorf("sqlcmd: %w", err)
	}
	if flags.NArg() > 0 || *server == "" || asked.user == "" || asked.file == "" || *login < 0 {
		return script{}, errors.New("sqlcmd: -S host[,port] -U user -i file are needed, -C -b -l seconds allowed")
	}
	host, port, given := strings.Cut(strings.TrimPrefix(*server, "tcp:"), ",")
	if !given {
		port = "1433"
	}
	asked.server, asked.login = net.JoinHostPort(host, port), time.Duration(*login)*time.Second
	return asked, nil
}

// awaitServer returns when the server is there, or fails once a login has taken too long.
func awaitServer(ctx context.Context, address string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := reachable(ctx, address)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no server at %s within %s: %w", address, patience, err)
		case <-time.After(knock):
		}
	}
}

// batches splits a script at its GO lines; what holds nothing but space is none.
func batches(text string) []string {
	var found []string
	var lines []string
	end := func() {
		if batch := strings.TrimSpace(strings.Join(lines, "\n")); batch != "" {
			found = append(found, batch)
		}
		lines = nil
	}
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if batchEnd.MatchString(line) {
			end()
			continue
		}
		lines = append(lines, line)
	}
	end()
	return found
}

// known tells the first variable of a batch that has no value; their values are never shown.
func known(batch string, env settings) error {
	for _, used := range variable.FindAllStringSubmatch(batch, -1) {
		if env(used[1]) == "" {
			return fmt.Errorf("'%s' scripting variable not defined", used[1])
		}
	}
	return nil
}

// title is the first line of a batch as the script has it: with names of variables, not values.
func title(batch string) string {
	first, _, _ := strings.Cut(batch, "\n")
	return strings.TrimSpace(first)
}
