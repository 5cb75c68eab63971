extension Gap {
    func appendLine(to out: inout [UInt8]) {
        out.append("{\"type\":\"gap\",\"source\":")
        JSONText.append(source, to: &out)
        out.append(",\"cause\":")
        JSONText.append(cause, to: &out)
        out.append(",\"from\":\"", time: from)
        out.append("\",\"to\":\"", time: to)
        out.append("\"")
        if let lost, lost != 0 {
            out.append(",\"lost\":")
            out.append(decimal: lost)
        }
        if resynchronised != 0 {
            out.append(",\"resynchronised\":\"", time: resynchronised)
            out.append("\"")
        }
        out.append("}")
    }
}
