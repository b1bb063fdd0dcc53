import * as ort from "onnxruntime-web";

const session = await ort.InferenceSession.create({file});
const classes = {classes};
{examples}
const { label, {scores} } = await session.run({ {input}: examples });
console.log(classes[Number(label.data[0])], {scores}.data);
