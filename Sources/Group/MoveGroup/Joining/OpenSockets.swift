import Records

/// Connections whose other end was not known where they were observed, and the listeners that may be it.
struct OpenSockets {
    /// One end of connections, as one host saw it.
    struct End {
        var program: UInt32
        var host: HostID
        var transport: Transport
        /// accept, listen: where it was taken; a wildcard address if not told. connect: not used.
        var local: Endpoint
        /// connect: where to; accept: where from, without port. listen: not used.
        var remote: Endpoint
        var evidence: Evidence?
        var detail: EdgeDetail
    }

    var connects: [End] = []
    var accepts: [End] = []
    var listens: [End] = []

    var count: Int { connects.count + accepts.count + listens.count }
}
