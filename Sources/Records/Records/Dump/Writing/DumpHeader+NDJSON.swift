extension DumpHeader {
    /// The first line of a dump, without its end.
    public var line: [UInt8] {
        var line: [UInt8] = []
        appendLine(to: &line)
        return line
    }

    func appendLine(to out: inout [UInt8]) {
        out.append("{\"type\":\"header\",\"schema\":")
        JSONText.append(DumpVersion.written.rawValue, to: &out)
        out.append(",\"time\":\"", time: time)
        out.append("\",\"host\":")
        JSONText.append(hostID, to: &out)
        out.append(",\"machine\":{\"name\":")
        JSONText.append(hostName, to: &out)
        out.append(",\"addresses\":[")
        for (index, address) in addresses.enumerated() {
            out.append(index == 0 ? "\"" : ",\"")
            address.append(to: &out)
            out.append("\"")
        }
        out.append("],\"kernel\":")
        JSONText.append(kernel, to: &out)
        out.append(",\"boot\":")
        JSONText.append(boot, to: &out)
        out.append("},\"daemon\":{\"version\":")
        JSONText.append(version, to: &out)
        out.append(",\"started\":\"", time: started)
        out.append("\"}")
        if !scope.isWhole { scope.append(to: &out) }
        out.append(",\"sources\":{")
        for (index, source) in sources.enumerated() {
            if index > 0 { out.append(",") }
            JSONText.append(source.name, to: &out)
            out.append(":")
            source.append(to: &out)
        }
        out.append("}")
        if let changes {
            out.append(",\"changes\":{\"current\":")
            out.append(decimal: changes.current)
            out.append(",\"tombstones_after\":")
            out.append(decimal: changes.tombstonesAfter)
            if let numbering = changes.numbering {
                out.append(",\"numbering\":")
                out.append(decimal: numbering)
            }
            if let after = changes.runAfter {
                out.append(",\"run_after\":")
                out.append(decimal: after)
            }
            out.append("}")
        }
        if let contents {
            out.append(",\"contents\":{\"dependencies\":")
            out.append(decimal: contents.dependencies)
            out.append(",\"gaps\":")
            out.append(decimal: contents.gaps)
            if contents.processes != 0 {
                out.append(",\"processes\":")
                out.append(decimal: contents.processes)
            }
            if contents.tombstones != 0 {
                out.append(",\"tombstones\":")
                out.append(decimal: contents.tombstones)
            }
            out.append("}")
        }
        out.append("}")
    }
}

extension DumpHeader.Scope {
    fileprivate func append(to out: inout [UInt8]) {
        out.append(",\"scope\":{")
        if let netns {
            out.append("\"netns\":")
            JSONText.append(netns, to: &out)
        }
        if let cgroup {
            out.append(netns == nil ? "\"cgroup\":" : ",\"cgroup\":")
            JSONText.append(cgroup, to: &out)
        }
        out.append("}")
    }
}

extension DumpHeader.Source {
    fileprivate func append(to out: inout [UInt8]) {
        out.append("{\"mode\":")
        JSONText.append(mode, to: &out)
        out.append(",\"received\":")
        out.append(decimal: received)
        out.append(",\"lost\":")
        out.append(decimal: lost)
        for counter in counters {
            out.append(",")
            JSONText.append(counter.name, to: &out)
            out.append(":")
            out.append(decimal: counter.value)
        }
        out.append("}")
    }
}
