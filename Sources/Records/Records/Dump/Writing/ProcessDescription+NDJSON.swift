extension ProcessDescription {
    /// Appends the line of a process, without its end.
    func appendLine(host: String, to out: inout [UInt8]) {
        out.append("{\"type\":\"process\",\"host\":")
        JSONText.append(host, to: &out)
        out.append(",\"program\":{")
        Self.append("\"executable\":", ",\"executable_raw\":", executable, to: &out)
        if !script.isEmpty { Self.append(",\"script\":", ",\"script_raw\":", script, to: &out) }
        if !workload.isEmpty { Self.append(",\"workload\":", ",\"workload_raw\":", workload, to: &out) }
        out.append("},\"pid\":")
        out.append(decimal: UInt64(pid))
        out.append(",\"start\":\"", time: start)
        out.append("\",\"observed\":\"", time: observed)
        out.append(isStartObserved ? "\",\"start_observed\":true" : "\",\"start_observed\":false")
        if processes > 0 {
            out.append(",\"processes\":")
            out.append(decimal: processes)
        }
        if let written {
            out.append(",\"written\":")
            out.append(decimal: written)
        }
        settings.append(to: &out)
        out.append("}")
    }

    /// Appends a byte string, and beside it the bytes themselves where they are not UTF-8.
    fileprivate static func append(
        _ key: StaticString, _ rawKey: StaticString, _ bytes: [UInt8], to out: inout [UInt8]
    ) {
        out.append(key)
        let isText = bytes.withUnsafeBytes { JSONText.append($0, to: &out) }
        if isText { return }
        out.append(rawKey)
        out.append("\"")
        bytes.withUnsafeBytes { Base64.append($0, to: &out) }
        out.append("\"")
    }
}

extension ProcessSettings {
    fileprivate func append(to out: inout [UInt8]) {
        if let user { Self.append(",\"user_id\":", ",\"user_name\":", user, to: &out) }
        if let group { Self.append(",\"group_id\":", ",\"group_name\":", group, to: &out) }
        if !groups.isEmpty {
            for (index, group) in groups.enumerated() {
                out.append(index == 0 ? ",\"groups\":[" : ",")
                Self.append("{\"group_id\":", ",\"group_name\":", group, to: &out)
                out.append("}")
            }
            out.append("]")
        }
        if !capabilities.isEmpty {
            out.append(",\"capabilities\":")
            JSONText.append(capabilities, to: &out)
        }
        if !folder.isEmpty { ProcessDescription.append(",\"folder\":", ",\"folder_raw\":", folder, to: &out) }
        Self.append(",\"arguments\":", ",\"arguments_raw\":", arguments, to: &out)
        Self.append(",\"environment\":", ",\"environment_raw\":", environment, to: &out)
        if isCut { out.append(",\"cut\":true") }
        if !limits.isEmpty {
            for (index, limit) in limits.enumerated() {
                out.append(index == 0 ? ",\"limits\":[{\"resource\":" : ",{\"resource\":")
                JSONText.append(limit.resource, to: &out)
                if let soft = limit.soft {
                    out.append(",\"soft\":")
                    out.append(decimal: soft)
                }
                if let hard = limit.hard {
                    out.append(",\"hard\":")
                    out.append(decimal: hard)
                }
                out.append("}")
            }
            out.append("]")
        }
        // Numbers of the format are not negative; these two may be.
        if nice != 0 {
            out.append(",\"nice\":")
            JSONText.append("\(nice)", to: &out)
        }
        if killPreference != 0 {
            out.append(",\"oom_score_adj\":")
            JSONText.append("\(killPreference)", to: &out)
        }
        if !namespaces.isEmpty {
            for (index, (kind, inode)) in namespaces.sorted(by: { $0.key < $1.key }).enumerated() {
                out.append(index == 0 ? ",\"namespace\":{" : ",")
                JSONText.append(kind, to: &out)
                out.append(":")
                out.append(decimal: inode)
            }
            out.append("}")
        }
    }

    private static func append(
        _ key: StaticString, _ nameKey: StaticString, _ account: Account, to out: inout [UInt8]
    ) {
        out.append(key)
        out.append(decimal: UInt64(account.number))
        if account.name.isEmpty { return }
        out.append(nameKey)
        JSONText.append(account.name, to: &out)
    }

    /// A list of byte strings, and beside it one of the bytes of each as soon as one of them is not UTF-8; nothing for an
    /// empty one.
    private static func append(
        _ key: StaticString, _ rawKey: StaticString, _ strings: [[UInt8]], to out: inout [UInt8]
    ) {
        if strings.isEmpty { return }
        out.append(key)
        if out.appendList(strings) { return }
        out.append(rawKey)
        out.appendRawList(strings)
    }
}

extension [UInt8] {
    /// Appends a list of byte strings in their readable form; returns whether all of them are UTF-8.
    mutating func appendList(_ strings: [[UInt8]]) -> Bool {
        var isText = true
        append("[")
        for (index, string) in strings.enumerated() {
            if index > 0 { append(",") }
            let isWhole = string.withUnsafeBytes { JSONText.append($0, to: &self) }
            isText = isText && isWhole
        }
        append("]")
        return isText
    }

    /// Appends a list of byte strings in base64.
    mutating func appendRawList(_ strings: [[UInt8]]) {
        append("[")
        for (index, string) in strings.enumerated() {
            append(index > 0 ? ",\"" : "\"")
            string.withUnsafeBytes { Base64.append($0, to: &self) }
            append("\"")
        }
        append("]")
    }
}
