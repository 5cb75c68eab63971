import TestSupport

/// A program without its workload, as the oracle knows it.
struct ProgramName: Hashable, CustomStringConvertible {
    var executable: String
    var script: String?

    var description: String { script.map { "\(executable) \($0)" } ?? executable }
}

/// That a program used a file in one of the ways that a record tells.
struct FileFact: Hashable, CustomStringConvertible {
    var program: ProgramName
    var path: String
    /// `r`, `w` or `x`.
    var letter: Character

    var description: String { "\(letter) \(path) by \(program)" }
}

/// That a program became another one.
struct SpawnFact: Hashable, CustomStringConvertible {
    var program: ProgramName
    var child: ProgramName

    var description: String { "\(program) -> \(child)" }
}

/// That a program made a connection (`connect`) or took one (`accept`).
struct SocketFact: Hashable, CustomStringConvertible {
    var program: ProgramName
    var relation: String
    /// connect: the remote endpoint; accept: the local one.
    var endpoint: Dump.Address

    var description: String { "\(program) \(relation) \(endpoint.address):\(endpoint.port ?? 0)" }
}

/// What a workload did, or what a dump says that it did.
struct Facts {
    /// Regular files opened.
    var opens: Set<FileFact> = []
    /// Directories opened.
    var directories: Set<FileFact> = []
    /// Files executed.
    var executed: Set<FileFact> = []
    var spawns: Set<SpawnFact> = []
    var sockets: Set<SocketFact> = []
}

/// What the oracle adds to the facts that a dump must have.
struct Expectation {
    /// What must be in the dump.
    var facts = Facts()
    /// What may be there and is true as well: a file that a program renamed, say.
    var allowed: Set<FileFact> = []
    /// Who could have been taken for whom: programs that one process was, with what it opened meanwhile,
    /// and what descriptors it had from its ancestors.
    var lives: [Life] = []
    /// Processes that the trace did, programs started, for the figures.
    var processes = 0
    /// Contradictions in the trace.
    var complaints: [String] = []

    struct Life {
        var images: Set<ProgramName>
        var opened: Set<Use>
        var inherited: Set<Use>
    }

    struct Use: Hashable {
        var path: String
        var letter: Character
    }
}
