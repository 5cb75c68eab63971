import TestSupport

extension Facts {
    /// What the records of one control group say.
    ///
    /// Left out, as on the other side: pseudo filesystems, everything but regular files and directories,
    /// sockets that are not TCP, and the helper that entered the group.
    init(_ records: [Dump.Dependency], world: FileWorld, ignoring: Set<String> = []) {
        for record in records where !ignoring.contains(record.program.executable) {
            let program = ProgramName(record.program)
            switch record.relation {
            case "file":
                guard let path = record.exactPath, !world.isExcluded(path) else { continue }
                for letter in record.access ?? "" {
                    let fact = FileFact(program: program, path: path, letter: letter)
                    switch (record.kind, letter) {
                    case ("regular", "x"): executed.insert(fact)
                    case ("regular", _): opens.insert(fact)
                    case ("directory", _): directories.insert(fact)
                    default: break
                    }
                }
            case "spawn":
                guard let child = record.child, !ignoring.contains(child.executable) else { continue }
                spawns.insert(SpawnFact(program: program, child: ProgramName(child)))
            case "connect", "accept":
                guard record.transport == "tcp",
                    let endpoint = record.relation == "connect" ? record.remote : record.local
                else { continue }
                sockets.insert(SocketFact(program: program, relation: record.relation, endpoint: endpoint))
            default: break
            }
        }
    }
}

extension ProgramName {
    init(_ program: Dump.Program) {
        self.init(executable: program.executable, script: program.script)
    }
}
