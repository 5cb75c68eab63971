extension ProcessDescription {
    /// Reads the line of a process, of the host that the dump is of.
    init(line text: UnsafeRawBufferPointer, host: String) throws(JSONError) {
        var parser = JSONParser(text)
        var description = ProcessDescription(
            executable: [], pid: 0, start: 0, observed: 0, isStartObserved: false)
        var seen: Set<String> = []
        var raw = LineParts()
        try parser.beginObject()
        while let key = try parser.nextKey() {
            guard seen.insert(key).inserted else { throw JSONError(.duplicate(key: key), at: parser.offset) }
            switch key {
            case "host": try parser.host(host, key)
            case "program": try description.readProgram(&parser)
            case "pid":
                let start = parser.offset
                guard let pid = UInt32(exactly: try parser.count()) else {
                    throw JSONError(.range, at: start)
                }
                description.pid = pid
            case "start": description.start = try parser.time(key)
            case "observed": description.observed = try parser.time(key)
            case "start_observed": description.isStartObserved = try parser.boolean()
            case "processes": description.processes = try parser.count()
            case "written": description.written = try parser.unsigned()
            default: try description.settings.read(key, &parser, &raw)
            }
        }
        try parser.end()
        for key in ["host", "program", "pid", "start", "observed", "start_observed"] where !seen.contains(key)
        {
            throw JSONError(.missing(key: key), at: parser.offset)
        }
        description.settings.take(raw)
        self = description
    }

    private mutating func readProgram(_ parser: inout JSONParser) throws(JSONError) {
        var seen = SeenKeys()
        var (executable, script, workload) = (NameBuffer(), NameBuffer(), NameBuffer())
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .executable: try executable.read(&parser)
            case .executableRaw: try executable.readRaw(&parser, key: .executableRaw)
            case .script: try script.read(&parser)
            case .scriptRaw: try script.readRaw(&parser, key: .scriptRaw)
            case .workload: try workload.read(&parser)
            case .workloadRaw: try workload.readRaw(&parser, key: .workloadRaw)
            default: try parser.skip()
            }
        }
        try seen.require(.program, at: parser.offset)
        (self.executable, self.script, self.workload) = (executable.bytes, script.bytes, workload.bytes)
    }
}

/// What stands in the line as more than one key: an account, and the bytes of strings that are not UTF-8, which outdo the
/// readable form.
private struct LineParts {
    var user: UInt32?
    var userName = ""
    var group: UInt32?
    var groupName = ""
    var folder: [UInt8]?
    var arguments: [[UInt8]]?
    var environment: [[UInt8]]?
}

extension ProcessSettings {
    fileprivate mutating func read(
        _ key: String, _ parser: inout JSONParser, _ raw: inout LineParts
    ) throws(JSONError) {
        switch key {
        case "user_id": raw.user = try parser.accountNumber()
        case "user_name": raw.userName = try parser.string()
        case "group_id": raw.group = try parser.accountNumber()
        case "group_name": raw.groupName = try parser.string()
        case "groups":
            try parser.beginArray()
            while try parser.nextElement() { groups.append(try parser.groupAccount()) }
        case "capabilities": capabilities = try parser.string()
        case "folder": try parser.string(into: &folder)
        case "folder_raw": raw.folder = try parser.rawString(key)
        case "arguments": arguments = try parser.names()
        case "arguments_raw": raw.arguments = try parser.rawNames(key)
        case "environment": environment = try parser.names()
        case "environment_raw": raw.environment = try parser.rawNames(key)
        case "cut": isCut = try parser.boolean()
        case "limits":
            try parser.beginArray()
            while try parser.nextElement() { limits.append(try parser.limit()) }
        case "nice": nice = try parser.signed(key, -20...19)
        case "oom_score_adj": killPreference = try parser.signed(key, -1000...1000)
        case "namespace":
            try parser.beginObject()
            while let kind = try parser.nextKey() {
                guard namespaces.updateValue(try parser.unsigned(), forKey: kind) == nil else {
                    throw JSONError(.duplicate(key: kind), at: parser.offset)
                }
            }
        default: try parser.skip()
        }
    }

    fileprivate mutating func take(_ raw: LineParts) {
        user = raw.user.map { Account($0, name: raw.userName) }
        group = raw.group.map { Account($0, name: raw.groupName) }
        if let bytes = raw.folder { folder = bytes }
        if let strings = raw.arguments { arguments = strings }
        if let strings = raw.environment { environment = strings }
    }
}

extension JSONParser {
    fileprivate mutating func accountNumber() throws(JSONError) -> UInt32 {
        UInt32(try unsigned(maximum: UInt64(UInt32.max)))
    }

    fileprivate mutating func groupAccount() throws(JSONError) -> ProcessSettings.Account {
        var account = ProcessSettings.Account(0)
        var seen: Set<String> = []
        try beginObject()
        while let key = try nextKey() {
            guard seen.insert(key).inserted else { throw JSONError(.duplicate(key: key), at: offset) }
            switch key {
            case "group_id": account.number = try accountNumber()
            case "group_name": account.name = try string()
            default: try skip()
            }
        }
        guard seen.contains("group_id") else { throw JSONError(.missing(key: "group_id"), at: offset) }
        return account
    }

    fileprivate mutating func limit() throws(JSONError) -> ProcessSettings.Limit {
        var limit = ProcessSettings.Limit("", soft: nil, hard: nil)
        var seen: Set<String> = []
        try beginObject()
        while let key = try nextKey() {
            guard seen.insert(key).inserted else { throw JSONError(.duplicate(key: key), at: offset) }
            switch key {
            case "resource": limit.resource = try string()
            case "soft": limit.soft = try unsigned()
            case "hard": limit.hard = try unsigned()
            default: try skip()
            }
        }
        guard seen.contains("resource") else { throw JSONError(.missing(key: "resource"), at: offset) }
        return limit
    }

    /// A number that may be negative, as text.
    fileprivate mutating func signed(_ key: String, _ range: ClosedRange<Int>) throws(JSONError) -> Int {
        guard let number = Int(try string()), range.contains(number) else {
            throw JSONError(.malformed(key: key), at: offset)
        }
        return number
    }

    /// Reads bytes in base64.
    mutating func rawString(_ key: String) throws(JSONError) -> [UInt8] {
        var text: [UInt8] = []
        try string(into: &text)
        guard let decoded = Base64.decode(text) else { throw JSONError(.malformed(key: key), at: offset) }
        return decoded
    }

    /// Reads a list of byte strings in base64.
    mutating func rawNames(_ key: String) throws(JSONError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try beginArray()
        while try nextElement() { names.append(try rawString(key)) }
        return names
    }
}
