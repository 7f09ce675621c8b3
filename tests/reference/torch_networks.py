"""The networks once more, as plain PyTorch modules with the published names.

Independent of `trimatte.engines.networks`: what that makes of its one definition per network is
compared with these. Each returns logits, as its tests want them.
"""

import torch
from torch import nn
from torch.nn import functional


def upsampled(x, like):
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


# --- U²-Net ------------------------------------------------------------------------------------


class ConvBlock(nn.Module):
    def __init__(self, channels, out, dilation=1):
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(out)

    def forward(self, x):
        return functional.relu(self.bn_s1(self.conv_s1(x)))


class PooledBlock(nn.Module):
    """RSU-L for L = 7, 6, 5, 4."""

    def __init__(self, height, channels, inside, out):
        super().__init__()
        self.height = height
        self.rebnconvin = ConvBlock(channels, out)
        self.rebnconv1 = ConvBlock(out, inside)
        for n in range(2, height):
            setattr(self, f"rebnconv{n}", ConvBlock(inside, inside))
        setattr(self, f"rebnconv{height}", ConvBlock(inside, inside, dilation=2))
        for n in range(height - 1, 1, -1):
            setattr(self, f"rebnconv{n}d", ConvBlock(2 * inside, inside))
        self.rebnconv1d = ConvBlock(2 * inside, out)

    def forward(self, x):
        residual = self.rebnconvin(x)
        hidden = {1: self.rebnconv1(residual)}
        for n in range(2, self.height):
            pooled = functional.max_pool2d(hidden[n - 1], 2, stride=2, ceil_mode=True)
            hidden[n] = getattr(self, f"rebnconv{n}")(pooled)
        up = getattr(self, f"rebnconv{self.height}")(hidden[self.height - 1])
        for n in range(self.height - 1, 0, -1):
            joined = torch.cat((upsampled(up, hidden[n]), hidden[n]), 1)
            up = getattr(self, f"rebnconv{n}d")(joined)
        return up + residual


class DilatedBlock(nn.Module):
    """RSU-4F."""

    def __init__(self, channels, inside, out):
        super().__init__()
        self.rebnconvin = ConvBlock(channels, out)
        self.rebnconv1 = ConvBlock(out, inside, 1)
        self.rebnconv2 = ConvBlock(inside, inside, 2)
        self.rebnconv3 = ConvBlock(inside, inside, 4)
        self.rebnconv4 = ConvBlock(inside, inside, 8)
        self.rebnconv3d = ConvBlock(2 * inside, inside, 4)
        self.rebnconv2d = ConvBlock(2 * inside, inside, 2)
        self.rebnconv1d = ConvBlock(2 * inside, out, 1)

    def forward(self, x):
        residual = self.rebnconvin(x)
        h1 = self.rebnconv1(residual)
        h2 = self.rebnconv2(h1)
        h3 = self.rebnconv3(h2)
        d3 = self.rebnconv3d(torch.cat((self.rebnconv4(h3), h3), 1))
        d2 = self.rebnconv2d(torch.cat((d3, h2), 1))
        return self.rebnconv1d(torch.cat((d2, h1), 1)) + residual


class U2Net(nn.Module):
    def __init__(self, small=False):
        super().__init__()
        if small:
            block = dict.fromkeys(("2", "3", "4", "5", "6"), (64, 16, 64))
            block |= {f"{n}d": (128, 16, 64) for n in (1, 2, 3, 4, 5)}
            block["1"] = (3, 16, 64)
            sides = (64, 64, 64, 64, 64, 64)
        else:
            block = {
                "1": (3, 32, 64),
                "2": (64, 32, 128),
                "3": (128, 64, 256),
                "4": (256, 128, 512),
                "5": (512, 256, 512),
                "6": (512, 256, 512),
                "5d": (1024, 256, 512),
                "4d": (1024, 128, 256),
                "3d": (512, 64, 128),
                "2d": (256, 32, 64),
                "1d": (128, 16, 64),
            }
            sides = (64, 64, 128, 256, 512, 512)
        for name, widths in block.items():
            stage = int(name[0])
            module = DilatedBlock(*widths) if stage > 4 else PooledBlock(8 - stage, *widths)
            setattr(self, f"stage{name}", module)
        for n, channels in enumerate(sides, 1):
            setattr(self, f"side{n}", nn.Conv2d(channels, 1, 3, padding=1))
        self.outconv = nn.Conv2d(6, 1, 1)

    def forward(self, x):
        down = [self.stage1(x)]
        for n in range(2, 7):
            pooled = functional.max_pool2d(down[-1], 2, stride=2, ceil_mode=True)
            down.append(getattr(self, f"stage{n}")(pooled))
        maps = {6: down[5]}
        for n in range(5, 0, -1):
            joined = torch.cat((upsampled(maps[n + 1], down[n - 1]), down[n - 1]), 1)
            maps[n] = getattr(self, f"stage{n}d")(joined)
        sides = [upsampled(getattr(self, f"side{n}")(maps[n]), x) for n in range(1, 7)]
        return (self.outconv(torch.cat(sides, 1)), *sides)


# --- MODNet ------------------------------------------------------------------------------------


class IBNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.half = channels // 2
        self.bnorm = nn.BatchNorm2d(self.half)
        self.inorm = nn.InstanceNorm2d(channels - self.half)

    def forward(self, x):
        return torch.cat((self.bnorm(x[:, : self.half]), self.inorm(x[:, self.half :])), 1)


class IBConv(nn.Module):
    def __init__(self, channels, out, kernel, stride=1, plain=False):
        super().__init__()
        conv = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2)
        self.layers = nn.Sequential(*((conv,) if plain else (conv, IBNorm(out), nn.ReLU())))

    def forward(self, x):
        return self.layers(x)


class FlatInvertedResidual(nn.Module):
    def __init__(self, channels, out, stride, expansion):
        super().__init__()
        inside = channels * expansion
        layers = []
        if expansion != 1:
            layers += [nn.Conv2d(channels, inside, 1, bias=False)]
            layers += [nn.BatchNorm2d(inside), nn.ReLU6()]
        layers += [nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False)]
        layers += [nn.BatchNorm2d(inside), nn.ReLU6()]
        layers += [nn.Conv2d(inside, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == out

    def forward(self, x):
        return x + self.conv(x) if self.shortcut else self.conv(x)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 4, bias=False),
            nn.ReLU(),
            nn.Linear(channels // 4, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class ModNet(nn.Module):
    def __init__(self):
        super().__init__()
        features = [
            nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6())
        ]
        channels = 32
        for expansion, out, count, stride in MOBILENET:
            for n in range(count):
                features.append(
                    FlatInvertedResidual(channels, out, stride if n == 0 else 1, expansion)
                )
                channels = out
        features.append(
            nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6())
        )
        self.backbone = nn.Module()
        self.backbone.model = nn.Module()
        self.backbone.model.features = nn.Sequential(*features)

        low = self.lr_branch = nn.Module()
        low.backbone = self.backbone  # registered twice, as published
        low.se_block = SqueezeExcitation(1280)
        low.conv_lr16x = IBConv(1280, 96, 5)
        low.conv_lr8x = IBConv(96, 32, 5)
        low.conv_lr = IBConv(32, 1, 3, stride=2, plain=True)
        high = self.hr_branch = nn.Module()
        high.tohr_enc2x = IBConv(16, 32, 1)
        high.conv_enc2x = IBConv(35, 32, 3, stride=2)
        high.tohr_enc4x = IBConv(24, 32, 1)
        high.conv_enc4x = IBConv(64, 64, 3)
        high.conv_hr4x = nn.Sequential(IBConv(99, 64, 3), IBConv(64, 64, 3), IBConv(64, 32, 3))
        high.conv_hr2x = nn.Sequential(
            IBConv(64, 64, 3), IBConv(64, 32, 3), IBConv(32, 32, 3), IBConv(32, 32, 3)
        )
        high.conv_hr = nn.Sequential(IBConv(35, 32, 3), IBConv(32, 1, 1, plain=True))
        fusion = self.f_branch = nn.Module()
        fusion.conv_lr4x = IBConv(32, 32, 5)
        fusion.conv_f2x = IBConv(64, 32, 3)
        fusion.conv_f = nn.Sequential(IBConv(35, 16, 3), IBConv(16, 1, 1, plain=True))

    def forward(self, image):
        def scaled(x, factor):
            return functional.interpolate(
                x, scale_factor=factor, mode="bilinear", align_corners=False
            )

        def cat(*values):
            return torch.cat(values, 1)

        low, high, fusion = self.lr_branch, self.hr_branch, self.f_branch
        kept, x = {}, image
        for index, block in enumerate(self.backbone.model.features):
            kept[index] = x = block(x)
        semantic = low.conv_lr16x(scaled(low.se_block(x), 2))
        semantic = low.conv_lr8x(scaled(semantic, 2))

        enc2x = high.tohr_enc2x(kept[1])
        hr4x = high.conv_enc2x(cat(scaled(image, 0.5), enc2x))
        hr4x = high.conv_enc4x(cat(hr4x, high.tohr_enc4x(kept[3])))
        hr4x = high.conv_hr4x(cat(hr4x, scaled(semantic, 2), scaled(image, 0.25)))
        hr2x = high.conv_hr2x(cat(scaled(hr4x, 2), enc2x))
        detail = high.conv_hr(cat(scaled(hr2x, 2), image))

        lr2x = scaled(fusion.conv_lr4x(scaled(semantic, 2)), 2)
        f2x = fusion.conv_f2x(cat(lr2x, hr2x))
        matte = fusion.conv_f(cat(scaled(f2x, 2), image))
        return matte, low.conv_lr(semantic), detail


# --- DeepLabV3+ --------------------------------------------------------------------------------

MOBILENET = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_norm_relu(channels, out, kernel, activation, **options):
    conv = nn.Conv2d(channels, out, kernel, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(out), activation())


class PaddedInvertedResidual(nn.Module):
    """Pads its input, not that of its depthwise convolution."""

    def __init__(self, channels, out, stride, dilation, expansion):
        super().__init__()
        inside = channels * expansion
        layers = [] if expansion == 1 else [conv_norm_relu(channels, inside, 1, nn.ReLU6)]
        layers.append(
            conv_norm_relu(
                inside, inside, 3, nn.ReLU6, stride=stride, dilation=dilation, groups=inside
            )
        )
        layers += [nn.Conv2d(inside, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.conv = nn.Sequential(*layers)
        self.dilation = dilation
        self.shortcut = stride == 1 and channels == out

    def forward(self, x):
        y = self.conv(functional.pad(x, (self.dilation,) * 4))
        return x + y if self.shortcut else y


class MobileNetBackbone(nn.Module):
    def __init__(self, output_stride):
        super().__init__()
        blocks = [conv_norm_relu(3, 32, 3, nn.ReLU6, stride=2)]
        channels, reached, dilation = 32, 2, 1
        for expansion, out, count, stride in MOBILENET:
            before = dilation
            if reached == output_stride:
                dilation, stride = dilation * stride, 1
            else:
                reached *= stride
            for n in range(count):
                first = n == 0
                blocks.append(
                    PaddedInvertedResidual(
                        channels,
                        out,
                        stride if first else 1,
                        before if first else dilation,
                        expansion,
                    )
                )
                channels = out
        blocks = nn.Sequential(*blocks)
        self.low_level_features = blocks[:4]
        self.high_level_features = blocks[4:]

    def forward(self, x):
        low = self.low_level_features(x)
        return low, self.high_level_features(low)


class Bottleneck(nn.Module):
    def __init__(self, channels, inside, stride, dilation, project):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, 4 * inside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inside)
        self.downsample = nn.Identity()
        if project:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * inside, 1, stride, bias=False), nn.BatchNorm2d(4 * inside)
            )

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNetBackbone(nn.Module):
    def __init__(self, output_stride):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        dilated = {8: (False, False, True, True), 16: (False, False, False, True)}[output_stride]
        channels, dilation = 64, 1
        for n, (inside, count, stride) in enumerate(
            ((64, 3, 1), (128, 4, 2), (256, 23, 2), (512, 3, 2)), 1
        ):
            before = dilation
            if dilated[n - 1]:
                dilation, stride = dilation * stride, 1
            blocks = [Bottleneck(channels, inside, stride, before, project=True)]
            channels = 4 * inside
            blocks += [Bottleneck(channels, inside, 1, dilation, False) for _ in range(count - 1)]
            setattr(self, f"layer{n}", nn.Sequential(*blocks))

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        low = self.layer1(x)
        return low, self.layer4(self.layer3(self.layer2(low)))


class Pyramid(nn.Module):
    def __init__(self, channels, rates):
        super().__init__()
        self.convs = nn.ModuleList([conv_norm_relu(channels, 256, 1, nn.ReLU)])
        for rate in rates:
            self.convs.append(
                conv_norm_relu(channels, 256, 3, nn.ReLU, padding=rate, dilation=rate)
            )
        pool = conv_norm_relu(channels, 256, 1, nn.ReLU)
        self.convs.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *pool))
        self.project = nn.Sequential(*conv_norm_relu(1280, 256, 1, nn.ReLU), nn.Dropout(0.1))

    def forward(self, x):
        maps = [conv(x) for conv in self.convs]
        maps[-1] = maps[-1].expand_as(maps[0])
        return self.project(torch.cat(maps, 1))


class DeepLabV3Plus(nn.Module):
    def __init__(self, backbone, classes=21, output_stride=16):
        super().__init__()
        rates = {8: (12, 24, 36), 16: (6, 12, 18)}[output_stride]
        if backbone == "resnet101":
            self.backbone, low, high = ResNetBackbone(output_stride), 256, 2048
        else:
            self.backbone, low, high = MobileNetBackbone(output_stride), 24, 320
        self.classifier = nn.Module()
        self.classifier.project = conv_norm_relu(low, 48, 1, nn.ReLU)
        self.classifier.aspp = Pyramid(high, rates)
        self.classifier.classifier = nn.Sequential(
            *conv_norm_relu(304, 256, 3, nn.ReLU, padding=1), nn.Conv2d(256, classes, 1)
        )

    def forward(self, x):
        low, high = self.backbone(x)
        low = self.classifier.project(low)
        high = upsampled(self.classifier.aspp(high), low)
        return (upsampled(self.classifier.classifier(torch.cat((low, high), 1)), x),)
