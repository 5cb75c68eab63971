import ArgumentParser
import Glibc

/// Saves a process as a file that can be executed; `retinue-agent` does it, without an agent that runs.
struct SaveMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save",
        abstract:
            "Save a process, and all that it has started, as one file that goes on where it is executed.",
        discussion: """
            The processes end here when the file is whole and on the disk; where anything fails before, they go on, and there \
            is no file. The file holds all of their memory: it is for root alone. It is executed by root, here or on another \
            host of the same architecture, with CRIU 4.2 and retinue there, and with the files that the processes have open or \
            mapped.

            Examples:
              retinue move save 4711 -o /var/lib/contexts/job
              scp /var/lib/contexts/job db2:/root/ && ssh db2 /root/job

            Exit status: 0 saved; 1 it was not, and the process goes on; 2 bad input.
            """)

    @Argument(help: "The process: what it has started is saved as well.")
    var pid: Int32

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The file, which is not there yet.", valueName: "file"),
        completion: .file())
    var output: String

    @Flag(help: "Have the process go on here as well: there are two of it when the file is executed.")
    var leaveRunning = false

    @Flag(help: "Save a process with TCP connections, which are closed where it goes on.")
    var closeConnections = false

    @Flag(help: "Save it although something would be lost without a word: it is named.")
    var lossy = false

    @Flag(help: "Print one object of JSON: bytes, and how long it took.")
    var json = false

    func validate() throws {
        guard pid > 0 else { throw ValidationError("a pid is from 1") }
    }

    func run() throws {
        var words = ["context-save", "\(pid)", output]
        for (flag, word) in [
            (leaveRunning, "--leave-running"), (closeConnections, "--close-connections"), (lossy, "--lossy"),
            (json, "--json"),
        ] where flag { words.append(word) }
        try OtherProgram.agent.run(words, for: "move save")
    }
}

/// What the first line of such a file names.
struct RestoreMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Have a saved process go on: what executing its file does.",
        discussion: """
            The process gets a pid namespace of its own, in which it has the numbers that it had. Signals are passed on to it. \
            The exit status is its own; a signal that ends it ends this command as well. 1 where it cannot be restored: \
            nothing was started then.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    func run() throws { try OtherProgram.agent.run(["context-restore", file], for: "move restore") }
}
