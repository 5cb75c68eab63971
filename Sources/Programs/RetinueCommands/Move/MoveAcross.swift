import ArgumentParser

/// Has a tree of processes go on at several hosts; `retinue-agent` does it, and stays until the last of them has ended.
struct AcrossMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "across",
        abstract:
            "Have processes that share memory go on at several hosts, and pass its pages on between them.",
        discussion: """
            The process, and all that it has started, is written down by CRIU 4.2 and restored at each host of --over, where \
            retinue-agent across-join waits for it. At each host only the processes run that --place puts there, and here all \
            others; at the other hosts they stand. A page of memory that processes of different hosts share follows whoever \
            uses it: one host may write it, or several may read it. What cannot be passed on is refused by name: process-shared \
            locks, System V memory and semaphores, huge and locked pages, files that are mapped shared.

            It runs until the last process has ended, at whatever host: keep it as you keep a daemon. Where it is killed, the \
            processes of its host stand, and those of other hosts wait for pages of it.

            Examples:
              db2# retinue-agent across-join --listen 10.0.0.2 --accept db1
              db1# retinue move across 4711 --over db2=10.0.0.2 --place db2=4713,4714 --listen 10.0.0.1

            Exit status: 0 all of them have ended; 1 it was not done, and they go on here; 2 bad input.
            """)

    @Argument(help: "The process that has started the others; it stays here.")
    var pid: Int32

    @Option(
        help: ArgumentHelp(
            "The other hosts, by the names in their certificates.", valueName: "host=address[:port],…"))
    var over: String

    @Option(help: ArgumentHelp("Which processes run at a host; once for each host.", valueName: "host=pid,…"))
    var place: [String]

    @Option(
        help: ArgumentHelp(
            "The address, and the port if not 7421, at which the others reach this host.",
            valueName: "address[:port]"))
    var listen: String

    @Option(help: "What the figures and control groups of it are called; the pid unless said otherwise.")
    var name: String?

    @Option(
        help: ArgumentHelp(
            "How long a page stays that has come, so that it is used; 100 unless said otherwise.",
            valueName: "microseconds"))
    var window: Int?

    @Option(help: "This host's certificate, its key and the authority's.", completion: .directory)
    var certificates = "/etc/retinue/certificates"

    @Flag(help: "Close the processes' TCP connections where they go on at other hosts.")
    var closeConnections = false

    @Flag(help: "Do it although something would be lost without a word: it is named.")
    var lossy = false

    @Flag(help: "Only say what would be passed on, and what is refused.")
    var check = false

    func validate() throws {
        guard pid > 0 else { throw ValidationError("a pid is from 1") }
        guard !place.isEmpty else { throw ValidationError("--place says which processes run at which host") }
    }

    /// What `retinue-agent` is started with.
    var words: [String] {
        var words = ["across", "\(pid)", "--over", over, "--listen", listen, "--certificates", certificates]
        for one in place { words += ["--place", one] }
        if let name { words += ["--name", name] }
        if let window { words += ["--window", "\(window)"] }
        for (flag, word) in [
            (closeConnections, "--close-connections"), (lossy, "--lossy"), (check, "--check"),
        ] where flag { words.append(word) }
        return words
    }

    func run() throws { try OtherProgram.agent.run(words, for: "move across") }
}
