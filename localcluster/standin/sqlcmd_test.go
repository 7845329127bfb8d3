package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const setup = `
-- databases
IF DB_ID('$(DATABASE)') IS NULL
  CREATE DATABASE [$(DATABASE)];
GO

CREATE LOGIN [user] WITH PASSWORD = '$(USER_PASSWORD)';
SELECT 'GO is no end here';
  go 2

USE [$(DATABASE)]
GO
`

var values = environment{"SQLCMDPASSWORD": "open sesame", "DATABASE": "Invoicing", "USER_PASSWORD": "hidden"}

func scriptFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "setup.sql")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func server(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return host + "," + port
}

func without(name string) environment {
	left := environment{}
	for key, value := range values {
		if key != name {
			left[key] = value
		}
	}
	return left
}

func TestAScriptIsReadBatchByBatchAndNoValueIsShown(t *testing.T) {
	for _, text := range []string{setup, strings.ReplaceAll(setup, "\n", "\r\n"), strings.TrimSuffix(setup, "GO\n")} {
		var out bytes.Buffer
		arguments := []string{"-C", "-S", "tcp:" + server(port(t, silent)), "-U", "sa", "-i", scriptFile(t, text), "-b", "-l", "5"}
		if err := runSqlcmd(context.Background(), arguments, values.get, &out); err != nil {
			t.Fatal(err)
		}
		want := "-- databases\nCREATE LOGIN [user] WITH PASSWORD = '$(USER_PASSWORD)';\nUSE [$(DATABASE)]\n3 batches\n"
		if out.String() != want {
			t.Errorf("%q", out.String())
		}
	}
}

func TestAScriptThatCannotRunIsOneLine(t *testing.T) {
	up, file := server(port(t, silent)), scriptFile(t, setup)
	good := []string{"-S", up, "-U", "sa", "-i", file}
	for _, c := range []struct {
		want      string
		env       environment
		arguments []string
	}{
		{"SQLCMDPASSWORD is not set", without("SQLCMDPASSWORD"), good},
		{"'USER_PASSWORD' scripting variable not defined", without("USER_PASSWORD"), good},
		{"'DATABASE' scripting variable not defined", without("DATABASE"), good},
		{"no such file", values, []string{"-S", up, "-U", "sa", "-i", file + ".missing"}},
		{"no server at 127.0.0.1:", values, []string{"-S", server(closedPort(t)), "-U", "sa", "-i", file, "-l", "1"}},
		{"no server at 127.0.0.1:", values, []string{"-S", server(port(t, hangUp)), "-U", "sa", "-i", file, "-l", "1"}},
		{"sqlcmd: -S", values, []string{"-U", "sa", "-i", file}},
		{"sqlcmd: -S", values, append([]string{"-C", "more"}, good...)},
		{"sqlcmd: flag provided but not defined: -Q", values, append([]string{"-Q", "SELECT 1"}, good...)},
	} {
		err := runSqlcmd(context.Background(), c.arguments, c.env.get, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.want, err)
		}
		for _, value := range []string{"open sesame", "hidden"} {
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("%v shows %s", err, value)
			}
		}
	}
}

func TestTheClientWaitsForItsServer(t *testing.T) {
	address := closedPort(t)
	started := make(chan net.Listener, 1)
	time.AfterFunc(700*time.Millisecond, func() {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					go silent(connection)
				}
			}()
		}
		started <- listener
	})
	arguments := []string{"-S", server(address), "-U", "sa", "-i", scriptFile(t, setup), "-l", "30"}
	if err := runSqlcmd(context.Background(), arguments, values.get, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
	if listener := <-started; listener != nil {
		listener.Close()
	}
}

// asProgram makes the program with the tests in it the program without them.
const asProgram = "STANDIN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The name a process is started under decides what it is, as the link in the image has it.
func TestALinkCalledSqlcmdIsTheClient(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "sqlcmd")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	run := func(name string, env ...string) (int, string, string) {
		command := exec.Command(name, "-C", "-S", server(port(t, silent)), "-U", "sa", "-i", scriptFile(t, "SELECT 1\n"), "-b", "-l", "5")
		var out, errs bytes.Buffer
		command.Stdout, command.Stderr, command.Env = &out, &errs, append(env, asProgram+"=1")
		_ = command.Run()
		return command.ProcessState.ExitCode(), out.String(), errs.String()
	}
	if code, out, errs := run(link, "SQLCMDPASSWORD=x"); code != 0 || out != "SELECT 1\n1 batches\n" || errs != "" {
		t.Error(code, out, errs)
	}
	if code, out, errs := run(link, "SQLCMDPASSWORD="); code != 1 || out != "" || strings.Count(errs, "\n") != 1 {
		t.Error(code, out, errs)
	}
	if code, _, errs := run(program, "PITSTOP_SERVICE="); code != 2 || !strings.Contains(errs, "PITSTOP_SERVICE") {
		t.Error(code, errs)
	}
}
