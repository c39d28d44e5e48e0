"""A SIP dialog's identity: who talks to whom, by which route (RFC 3261 section 12)."""

from dataclasses import dataclass, field

from sipmessage import URI, Address, CSeq, Request, Response

from lab.sip import DEFAULT_PORT, USER_AGENT, SocketAddress, set_body


@dataclass
class Dialog:
    """One side's view of a dialog. `local` has our tag, `remote` theirs once it is known."""

    call_id: str
    local: Address
    remote: Address
    contact: Address
    target: URI
    route: list[Address] = field(default_factory=list)
    sequence: int = 0

    @classmethod
    def from_invite(cls, invite: Request, contact: Address, local: Address) -> "Dialog":
        """Begin the dialog of a call that reached us."""
        target = invite.contact[0].uri
        route = invite.record_route
        return cls(invite.call_id, local, invite.from_address, contact, target, route)

    @property
    def tag(self) -> str:
        """Our tag."""
        return self.local.parameters["tag"] or ""

    @property
    def destination(self) -> SocketAddress:
        """Where requests go: the first route, or else the other side's contact."""
        uri = self.route[0].uri if self.route else self.target
        return uri.host, uri.port or DEFAULT_PORT

    def learn(self, response: Response) -> None:
        """Take the other side's tag, contact and route from a response to our INVITE."""
        self.remote = response.to_address
        if response.contact:
            self.target = response.contact[0].uri
        if response.record_route:
            self.route = response.record_route[::-1]

    def request(self, method: str, sdp: bytes = b"", *, sequence: int | None = None) -> Request:
        """Build a request; `sequence` repeats an earlier CSeq number (ACK), else it is the next."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        request = Request(method, self.target)
        request.max_forwards = 70
        request.from_address = self.local
        request.to_address = self.remote
        request.call_id = self.call_id
        request.cseq = CSeq(sequence, method)
        request.contact = [self.contact]
        if self.route:
            request.route = self.route
        request.user_agent = USER_AGENT
        set_body(request, sdp)
        return request
