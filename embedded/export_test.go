package embedded

// Arity returns what the table of commands says of one, and 0 if it is not there.
func Arity(name string) int { return commands[name].arity }

// CallableByScripts tells whether the table lets scripts call a command.
func CallableByScripts(name string) bool { return commands[name].is&noScript == 0 }

// Names returns the commands that the server has.
func Names() []string {
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	return names
}

// RefusedByName tells whether a command is one of those that the server knows it does not have.
func RefusedByName(name string) bool { return supportable[name] }
