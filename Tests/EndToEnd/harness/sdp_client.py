"""A client of WHIP and WHEP as any page can write it: fetch and RTCPeerConnection, on a page of another origin."""

import re

CLIENT = """
class SDPClient {
    constructor(url, token) {
        this.url = url;
        this.headers = {Authorization: `Bearer ${token}`};
        this.candidates = [];
        this.connection = new RTCPeerConnection({bundlePolicy: "max-bundle"});
        this.connection.onicecandidate = ({candidate}) => { if (candidate?.candidate) this.candidates.push(candidate.candidate); };
        this.gathered = new Promise((resolve) => {
            this.connection.onicegatheringstatechange = () => {
                if (this.connection.iceGatheringState === "complete") resolve();
            };
        });
    }

    /** Sends a dark canvas that flashes each second, and a tone. */
    send() {
        const canvas = Object.assign(document.createElement("canvas"), {width: 320, height: 180});
        const pen = canvas.getContext("2d");
        this.flashes = [];
        let count = 0;
        setInterval(() => {
            const isBright = count++ % 30 < 8;
            // What never changes would not be sent.
            pen.fillStyle = isBright ? "#ffffff" : count % 2 ? "#181818" : "#202020";
            pen.fillRect(0, 0, 320, 180);
            if (isBright && count % 30 === 1) this.flashes.push(performance.now());
        }, 33);
        const context = new AudioContext(), tone = new OscillatorNode(context, {frequency: 440});
        const sink = new MediaStreamAudioDestinationNode(context);
        tone.connect(sink);
        tone.start();
        const stream = new MediaStream([...sink.stream.getTracks(), ...canvas.captureStream(30).getTracks()]);
        for (const track of stream.getTracks()) this.connection.addTransceiver(track, {direction: "sendonly", streams: [stream]});
    }

    /** Receives a picture and sound, and shows them. */
    receive() {
        this.video = Object.assign(document.createElement("video"), {autoplay: true, width: 640, height: 360});
        document.body.append(this.video);
        this.stream = this.video.srcObject = new MediaStream();
        this.connection.ontrack = ({track}) => this.stream.addTrack(track);
        this.begunAt = performance.now();
        this.video.requestVideoFrameCallback(() => { this.firstPictureMs = performance.now() - this.begunAt; });
        for (const kind of ["audio", "video"]) {
            const transceiver = this.connection.addTransceiver(kind, {direction: "recvonly"});
            // Browsers know it, and ask for it only when they are told to.
            transceiver.setHeaderExtensionsToNegotiate(transceiver.getHeaderExtensionsToNegotiate().map((extension) =>
                extension.uri.endsWith("/abs-capture-time") ? {...extension, direction: "sendrecv"} : extension));
        }
    }

    /** Receives as a browser that has no codec of pictures but H.264. */
    receiveH264() {
        this.receive();
        const {codecs} = RTCRtpReceiver.getCapabilities("video");
        const video = this.connection.getTransceivers().find(({receiver}) => receiver.track.kind === "video");
        video.setCodecPreferences(codecs.filter(({mimeType}) => ["video/H264", "video/rtx"].includes(mimeType)));
    }

    /** How long ago what is played now was captured, by kind, in milliseconds; the time counts from 1900. */
    ages() {
        return this.connection.getReceivers().map((receiver) => {
            const source = receiver.getSynchronizationSources()[0];
            return {kind: receiver.track.kind, age: source?.captureTimestamp ? Date.now() - (source.captureTimestamp - 2208988800000) : null};
        });
    }

    async ask(method, url, headers, body) {
        const response = await fetch(url, {method, headers: {...this.headers, ...headers}, body});
        const named = ["Location", "ETag", "Link", "Accept-Patch", "Retry-After", "Content-Type"];
        const found = Object.fromEntries(named.map((name) => [name.toLowerCase(), response.headers.get(name)]));
        return {status: response.status, text: await response.text(), ...found};
    }

    /** Makes the session, without waiting for candidates. */
    async open() {
        await this.connection.setLocalDescription();
        const answer = await this.ask("POST", this.url, {"Content-Type": "application/sdp"}, this.connection.localDescription.sdp);
        if (answer.status !== 201) return answer;
        this.session = new URL(answer.location, this.url).href;
        [this.tag, this.answer] = [answer.etag, answer.text];
        await this.connection.setRemoteDescription({type: "answer", sdp: this.answer});
        return answer;
    }

    fragment(...lines) {
        const sdp = this.connection.localDescription.sdp;
        const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, "m"))[0].trim();
        return [
            line("group"), sdp.match(/^m=.*$/m)[0].trim(), line("mid"), line("ice-ufrag"), line("ice-pwd"), ...lines, "",
        ].join("\\r\\n");
    }

    patch(tag, body) {
        return this.ask("PATCH", this.session, {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag}, body);
    }

    async trickle(tag = this.tag) {
        await this.gathered;
        return this.patch(tag, this.fragment(...this.candidates.map((text) => `a=${text}`), "a=end-of-candidates"));
    }

    /** Begins ICE anew, by the word for it or by the tag that holds; the rest of the descriptions stays. */
    async restart(match = "*") {
        this.connection.restartIce();
        await this.connection.setLocalDescription();
        const answer = await this.patch(match, this.fragment());
        if (answer.status !== 200) return answer;
        this.tag = answer.etag;
        for (const name of ["ice-ufrag", "ice-pwd"]) {
            const line = answer.text.match(new RegExp(`^a=${name}:.*$`, "m"))[0].trim();
            this.answer = this.answer.replace(new RegExp(`^a=${name}:[^\\r\\n]*`, "gm"), line);
        }
        await this.connection.setRemoteDescription({type: "answer", sdp: this.answer});
        return answer;
    }

    close() { return this.ask("DELETE", this.session, {}); }

    /** The colour of the middle of the picture. */
    colour() {
        if (!this.video.videoWidth) return null;
        const pen = Object.assign(document.createElement("canvas"), {width: 8, height: 8}).getContext("2d", {willReadFrequently: true});
        pen.drawImage(this.video, 0, 0, 8, 8);
        return [...pen.getImageData(4, 4, 1, 1).data].slice(0, 3);
    }

    /** The mean colours of parts of the picture, each of them x, y, width and height in pixels. */
    colours(areas) {
        const {videoWidth: width, videoHeight: height} = this.video;
        if (!width) return null;
        const pen = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d", {willReadFrequently: true});
        pen.drawImage(this.video, 0, 0);
        return areas.map((area) => {
            const {data} = pen.getImageData(...area), sums = [0, 0, 0];
            for (let at = 0; at < data.length; at += 4) sums.forEach((_, part) => { sums[part] += data[at + part]; });
            return sums.map((sum) => sum / (data.length / 4));
        });
    }

    /** When the picture turned bright within so many seconds. */
    brightened(seconds) {
        const found = [];
        let was = 255;
        return new Promise((resolve) => {
            const timer = setInterval(() => {
                const is = (this.colour() ?? [0])[0];
                if (is > 180 && was < 140) found.push(performance.now());
                was = is;
            }, 5);
            setTimeout(() => { clearInterval(timer); resolve(found); }, seconds * 1000);
        });
    }

    /** The path that media takes now, with the names of its ends. */
    async path() {
        const reports = new Map([...(await this.connection.getStats()).values()].map((report) => [report.id, report]));
        const transport = [...reports.values()].find(({type}) => type === "transport");
        const pair = reports.get(transport?.selectedCandidatePairId);
        return {
            state: this.connection.connectionState, ice: this.connection.iceConnectionState,
            local: reports.get(pair?.localCandidateId)?.usernameFragment, remote: reports.get(pair?.remoteCandidateId)?.usernameFragment,
            sent: transport?.packetsSent, received: transport?.packetsReceived, dtls: transport?.dtlsState,
        };
    }

    async inbound() {
        const reports = await this.connection.getStats();
        return [...reports.values()].filter(({type}) => type === "inbound-rtp")
            .map(({kind, codecId, framesDecoded, frameWidth, frameHeight, totalAudioEnergy, packetsReceived, packetsLost, pliCount, keyFramesDecoded}) =>
                ({kind, codec: reports.get(codecId)?.mimeType, framesDecoded, frameWidth, frameHeight, totalAudioEnergy, packetsReceived, packetsLost, pliCount, keyFramesDecoded}));
    }
}
window.SDPClient = SDPClient;
"""


class SDPPage:
    """A browser on a page of another origin with one client on it."""

    def __init__(self, driver, url, token, direction):
        self.driver, self.url, self.token = driver, url, token
        # The same installation by its other name, where no page's policy forbids anything.
        driver.get(re.sub(r"//localhost(:\d+).*", r"//127.0.0.1\1/healthz", url))
        driver.execute_script(CLIENT)
        self.make(url, token, direction)

    def make(self, url, token, direction, name="client"):
        """Makes another client on the page, which takes the place of one of the same name."""
        self.driver.execute_script(
            "window[arguments[3]] = new SDPClient(arguments[0], arguments[1]); window[arguments[3]][arguments[2]]();",
            url, token, direction, name,
        )  # fmt: skip

    def call(self, name, *arguments, client="client"):
        """Calls a method of a client and returns what its promise gives."""
        found = self.driver.execute_async_script(
            "const done = arguments[3]; (async () => window[arguments[2]][arguments[0]](...arguments[1]))()"
            ".then((value) => done({value}), (error) => done({error: String(error)}));", name, list(arguments), client,
        )  # fmt: skip
        assert "error" not in found, found
        return found.get("value")
