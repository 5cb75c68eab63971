extension DumpHeader {
    /// Reads the first line of a dump in a version of the format.
    init(line text: UnsafeRawBufferPointer, _ version: DumpVersion) throws(JSONError) {
        self.init()
        var parser = JSONParser(text)
        var seen = Set<String>()
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "time": time = try parser.time(key)
            case "host" where version == .first: try readMachine(&parser, andID: true)
            case "host": hostID = try parser.string()
            case "machine" where version != .first: try readMachine(&parser, andID: false)
            case "daemon": try readDaemon(&parser)
            case "scope": try readScope(&parser)
            case "sources": try readSources(&parser)
            case "contents": try readContents(&parser)
            case "changes": try readChanges(&parser)
            default: try parser.skip()
            }
        }
        try parser.end()
        try parser.require(["time", "host", "daemon", "sources"], seen)
        if version != .first { try parser.require(["machine"], seen) }
    }

    /// The machine's name and addresses; in version 1 its id stood among them.
    private mutating func readMachine(_ parser: inout JSONParser, andID: Bool) throws(JSONError) {
        var seen = Set<String>()
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "id" where andID: hostID = try parser.string()
            case "name": hostName = try parser.string()
            case "addresses":
                try parser.beginArray()
                while try parser.nextElement() { addresses.append(try parser.address(key)) }
            case "kernel": kernel = try parser.string()
            case "boot": boot = try parser.string()
            default: try parser.skip()
            }
        }
        try parser.require((andID ? ["id"] : []) + ["name", "addresses", "kernel", "boot"], seen)
    }

    private mutating func readDaemon(_ parser: inout JSONParser) throws(JSONError) {
        var seen = Set<String>()
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "version": version = try parser.string()
            case "started": started = try parser.time(key)
            default: try parser.skip()
            }
        }
        try parser.require(["version", "started"], seen)
    }

    private mutating func readContents(_ parser: inout JSONParser) throws(JSONError) {
        var seen = Set<String>()
        var contents = Contents()
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "dependencies": contents.dependencies = try parser.unsigned()
            case "gaps": contents.gaps = try parser.unsigned()
            case "processes": contents.processes = try parser.unsigned()
            case "tombstones": contents.tombstones = try parser.unsigned()
            default: try parser.skip()
            }
        }
        try parser.require(["dependencies", "gaps"], seen)
        self.contents = contents
    }

    private mutating func readChanges(_ parser: inout JSONParser) throws(JSONError) {
        var seen = Set<String>()
        var changes = Changes(current: 0, tombstonesAfter: 0)
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "current": changes.current = try parser.unsigned()
            case "tombstones_after": changes.tombstonesAfter = try parser.unsigned()
            case "numbering": changes.numbering = try parser.unsigned()
            case "run_after": changes.runAfter = try parser.unsigned()
            default: try parser.skip()
            }
        }
        try parser.require(["current", "tombstones_after"], seen)
        self.changes = changes
    }

    private mutating func readScope(_ parser: inout JSONParser) throws(JSONError) {
        var seen = Set<String>()
        try parser.beginObject()
        while let key = try parser.uniqueKey(&seen) {
            switch key {
            case "netns": scope.netns = try parser.string()
            case "cgroup": scope.cgroup = try parser.string()
            default: try parser.skip()
            }
        }
    }

    private mutating func readSources(_ parser: inout JSONParser) throws(JSONError) {
        var names = Set<String>()
        try parser.beginObject()
        while let name = try parser.uniqueKey(&names) {
            var source = Source(name: name, mode: "")
            var seen = Set<String>()
            try parser.beginObject()
            while let key = try parser.uniqueKey(&seen) {
                switch key {
                case "mode": source.mode = try parser.string()
                case "received": source.received = try parser.unsigned()
                case "lost": source.lost = try parser.unsigned()
                default: try source.readCounter(key, &parser)
                }
            }
            try parser.require(["mode", "received", "lost"], seen)
            sources.append(source)
        }
    }
}

extension DumpHeader.Source {
    /// What else a source says is a counter if it is a number, and else unknown.
    fileprivate mutating func readCounter(_ key: String, _ parser: inout JSONParser) throws(JSONError) {
        var ahead = parser
        if try parser.kind() == .number, let value = try? ahead.unsigned() {
            counters.append((key, value))
            parser = ahead
        } else {
            try parser.skip()
        }
    }
}

extension JSONParser {
    /// The next key; one that comes again is an error.
    fileprivate mutating func uniqueKey(_ seen: inout Set<String>) throws(JSONError) -> String? {
        guard let key = try nextKey() else { return nil }
        guard seen.insert(key).inserted else { throw JSONError(.duplicate(key: key), at: offset) }
        return key
    }

    /// Throws unless all of `keys` have been there.
    fileprivate func require(_ keys: [String], _ seen: Set<String>) throws(JSONError) {
        for key in keys where !seen.contains(key) { throw JSONError(.missing(key: key), at: offset) }
    }
}
